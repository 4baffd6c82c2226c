"""Measures how well objects are covered: their mean IoU with what was found of them.

    python -m benchmarks.mean_iou MODEL PROJECT --tag val

AP of a few objects jumps where an IoU crosses a threshold; this measure changes steadily.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrcnn.config.inference import FullImageMode
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.analysis import matching, seen
from mrcnn.evaluate.analysis.matching import NONE
from mrcnn.evaluate.analysis.seen import BOX, MASK, Collector, Seen
from mrcnn.events import make_log

LEAST = 0.3  # IoU of an object and the detection that found it
SCORE_THRESHOLD = 0.05
NAMES = {BOX: "box_iou", MASK: "mask_iou"}


def mean_iou(images: Sequence[Seen]) -> dict[str, float]:
    """Computes the mean IoU of all objects with their detections, of boxes and of masks.

    Detections find objects in the order of their scores, as in COCO's evaluation, from an IoU of `LEAST` on; an object
    that none finds counts as 0. Objects to ignore are left out.

    Returns:
        `box_iou` and `mask_iou`; NaN without objects.
    """
    found = {}
    for kind, name in NAMES.items():
        total, objects = 0.0, 0
        for one in images:
            given = seen.overlaps(one, kind=kind)
            partners = matching.match(given, iou=LEAST).objects
            rows = np.flatnonzero(partners != NONE)
            total += float(given.ious[rows, partners[rows]].sum())
            objects += int((~one.gt_ignore).sum())
        found[name] = total / objects if objects else float("nan")
    return found


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("project", type=Path, help="a Supervisely project")
    parser.add_argument("--tag", help="only the images with this tag")
    options = parser.parse_args()
    log, collector = make_log(), Collector()
    loading = {"score_threshold": SCORE_THRESHOLD}
    prepared = scoring.prepare(options.model, options.project, tag=options.tag, names={}, loading=loading, log=log)
    scoring.evaluate_prepared(prepared, mode=FullImageMode(), batch_size=1, log=log, watch=collector.add)
    print("  ".join(f"{name} {value:.3f}" for name, value in mean_iou(collector.images).items()))


if __name__ == "__main__":
    main()
