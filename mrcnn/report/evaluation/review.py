"""Computes what the report of a model shows, from its evaluated images."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.evaluate.analysis import calibration, confusion, curves, error_types, matching, per_class, quality, seen
from mrcnn.evaluate.analysis.calibration import Bin
from mrcnn.evaluate.analysis.curves import Thresholds
from mrcnn.evaluate.analysis.error_types import Gain
from mrcnn.evaluate.analysis.matching import Ranked
from mrcnn.evaluate.analysis.per_class import ClassRow
from mrcnn.evaluate.analysis.quality import ImageQuality
from mrcnn.evaluate.analysis.seen import BOX, MASK, Seen

SMALL, LARGE = 32**2, 96**2  # pixels: COCO's bounds of small and large objects
MOST_IMAGES = 6  # pictures of the worst and of the best images


class Review(NamedTuple):
    """What was computed.

    Attributes:
        metrics: from `evaluate.run.evaluate`.
        titles: by class id, the background first.
        images: the evaluated images.
        kind: `MASK`, or `BOX` where masks cannot be judged: by which overlap all below is computed, at IoU 0.5.
        floor: the score threshold of the evaluation.
        threshold: with the best F1; the floor if no detection is right.
        best_threshold: the same; None if no detection is right.
        ranked: all detections.
        counts: by score threshold, of all classes together.
        classes: a row of each class, at `threshold`.
        confusion: `[C, C]` int, see `confusion.matrix`, at `threshold`.
        gains: of each error type.
        bins: of the scores.
        worst: the images of lowest quality, at `threshold`.
        best: those of the highest.
        sizes: numbers of small, medium and large objects.
    """

    metrics: Mapping[str, Any]
    titles: tuple[str, ...]
    images: tuple[Seen, ...]
    kind: str
    floor: float
    threshold: float
    best_threshold: float | None
    ranked: Ranked
    counts: Thresholds
    classes: tuple[ClassRow, ...]
    confusion: np.ndarray
    gains: tuple[Gain, ...]
    bins: tuple[Bin, ...]
    worst: tuple[ImageQuality, ...]
    best: tuple[ImageQuality, ...]
    sizes: tuple[int, int, int]


def examine(images: Sequence[Seen], metrics: Mapping[str, Any], *, titles: Sequence[str], floor: float) -> Review:
    """Computes the analysis of evaluated images.

    Args:
        images: the images with their detections.
        metrics: from `evaluate.run.evaluate` of the same images.
        titles: by class id, the background first.
        floor: the score threshold of the evaluation.
    """
    kind = MASK if f"{MASK}_ap" in metrics else BOX
    overlaps = [seen.overlaps(one, kind=kind) for one in images]
    matches = [matching.match(one) for one in overlaps]
    count = len(titles)
    ranked = matching.rank(overlaps, matches, num_classes=count)
    counts = curves.by_threshold(ranked)
    best = curves.best_threshold(counts, lowest=floor)
    threshold = floor if best is None else best
    rated = quality.rate(overlaps, matches, threshold=threshold)
    areas = np.concatenate([np.zeros(0, np.int64), *map(seen.areas, images)])
    worst = quality.worst(rated, most=min(MOST_IMAGES, -(-len(rated) // 2)))  # of few images the better half is left
    shown = {one.place for one in worst}
    return Review(
        metrics=metrics,
        titles=tuple(titles),
        images=tuple(images),
        kind=kind,
        floor=floor,
        threshold=threshold,
        best_threshold=best,
        ranked=ranked,
        counts=counts,
        classes=tuple(per_class.rows(ranked, titles, threshold=threshold, lowest=floor)),
        confusion=confusion.matrix(overlaps, matches, num_classes=count, threshold=threshold),
        gains=tuple(error_types.gains(overlaps, matches, num_classes=count)),
        bins=tuple(calibration.bins(ranked)),
        worst=tuple(worst),
        best=tuple(one for one in quality.best(rated, most=MOST_IMAGES) if one.place not in shown),
        sizes=(
            int((areas < SMALL).sum()),
            int(((areas >= SMALL) & (areas < LARGE)).sum()),
            int((areas >= LARGE).sum()),
        ),
    )
