"""Measures the AP that sliding windows lose, and how much of it joining regains.

Square images of a project are placed side by side on one large canvas, shifted by a margin, so that windows of the same
size cut through them. The model is evaluated on the single images, then on the canvas with sliding windows. If every
cut object were joined correctly, both results would be equal.

    python -m benchmarks.joining --model MODEL --project DIR --tag val --side 256
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from mrcnn import events
from mrcnn.commands import arguments
from mrcnn.config.load import load_mode
from mrcnn.errors import UserError
from mrcnn.evaluate import run
from mrcnn.events import EventLog
from mrcnn.images.pixels import read_image
from mrcnn.model_folder import read
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.sources import Entry, Source
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Bitmap
from mrcnn.project.writer import ProjectWriter
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD

COLUMNS = ("objects", "found", "mask AP", "mask AP50", "box AP")


class Case(NamedTuple):
    """Settings of one sliding-window run on the canvas.

    Attributes:
        overlap: pixels that neighbouring windows share.
        join: IoU threshold of joining; None joins nothing.
    """

    overlap: int
    join: float | None


def main(options: argparse.Namespace, log: EventLog) -> None:
    """Prints a table row for the single images and one per case on the canvas."""
    bundle = read.load_model(
        read.read_model(options.model, classes=options.classes, input_size=options.input_size),
        score_threshold=EVALUATION_SCORE_THRESHOLD,
        warn=log.warning,
    )
    predictor = Predictor(bundle)
    tiles = square_tiles(sources.with_tag(sources.open_project(options.project), options.tag), options.side)
    print("| | " + " | ".join(COLUMNS) + " |\n|" + " --- |" * (len(COLUMNS) + 1))
    print(row("single images", run.evaluate(predictor, tiles, log=log)), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        canvas = sources.open_project(
            write_canvas(tiles, Path(folder) / "canvas", side=options.side, margin=options.margin)
        )
        for case in cases(options.side):
            mode = load_mode(
                {
                    "name": "sliding_window",
                    "window": {"width": options.side, "height": options.side},
                    "min_overlap": {"x": case.overlap, "y": case.overlap},
                    "join_iou_threshold": case.join,
                }
            )
            metrics = run.evaluate(predictor, canvas, log=log, mode=mode)
            print(row(f"overlap {case.overlap}, {'joined' if case.join else 'not joined'}", metrics), flush=True)


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_model(parser, required=True)
    parser.add_argument("--project", required=True, metavar="DIR")
    parser.add_argument("--tag", default="val", metavar="NAME", help="of the images to take")
    parser.add_argument("--side", type=int, required=True, help="height and width of the images to take")
    parser.add_argument("--margin", type=int, default=96, help="pixels by which windows are off the images")
    return parser.parse_args(given)


def cases(side: int) -> Iterator[Case]:
    """Yields four overlaps from 0 to half a window, each without and with joining."""
    for overlap in (0, side // 8, side // 4, side // 2):
        yield from (Case(overlap, join) for join in (None, 0.5))


def square_tiles(source: Source, side: int) -> Source:
    """Keeps the first images of `side` x `side` pixels, as many as fill a square.

    Raises:
        UserError: no image has that size.
    """
    fitting = [entry for entry in source.entries if entry.read_annotation(source.meta).size_hw == (side, side)]
    if not fitting:
        raise UserError(f"no image of {source.name} has {side} x {side} pixels; give another --side")
    return replace(source, entries=tuple(fitting[: math.isqrt(len(fitting)) ** 2]))


def write_canvas(tiles: Source, directory: Path, *, side: int, margin: int) -> Path:
    """Writes a project whose one image shows the images of `square_tiles` in a grid.

    A margin in their median colour is above the grid and to its left.

    Args:
        tiles: square images, a square number of them.
        directory: the new project.
        side: height and width of each image in pixels.
        margin: pixels above and left of the grid.

    Returns:
        `directory`.
    """
    across = math.isqrt(len(tiles.entries))
    pixels = [read_image(str(entry.path), 3) for entry in tiles.entries]
    canvas = np.empty((margin + across * side, margin + across * side, 3), np.uint8)
    canvas[:] = np.median(np.concatenate([image.reshape(-1, 3) for image in pixels]), axis=0)
    labels: list[Label] = []
    for number, (entry, image) in enumerate(zip(tiles.entries, pixels, strict=True)):
        y, x = (margin + side * place for place in divmod(number, across))
        canvas[y : y + side, x : x + side] = image
        labels += moved_labels(entry, tiles, y=y, x=x)
    encoded = cv2.imencode(".png", canvas[..., ::-1])[1].tobytes()
    classes = tuple(replace(item, shape="bitmap") for item in tiles.meta.classes)
    with ProjectWriter(directory, replace(tiles.meta, classes=classes)) as writer:
        writer.add("ds", "canvas.png", encoded, annotation=Annotation(canvas.shape[:2], labels=tuple(labels)))
    return directory


def moved_labels(entry: Entry, tiles: Source, *, y: int, x: int) -> Iterator[Label]:
    """Yields an image's objects as bitmaps, shifted down by `y` and right by `x` pixels."""
    annotation = entry.read_annotation(tiles.meta)
    for label in annotation.labels:
        drawn = label.geometry.to_mask(*(annotation.size_hw or (0, 0)))
        if drawn is not None:
            mask, (top, left) = drawn
            yield replace(label, geometry=Bitmap((left + x, top + y), mask))


def row(title: str, metrics: dict[str, Any]) -> str:
    """Formats a row of the table."""
    objects, found = (sum(one[key] for one in metrics["per_class"].values()) for key in ("objects", "detections"))
    values = (f"{metrics[name]:.3f}" for name in ("mask_ap", "mask_ap50", "box_ap"))
    return f"| {title} | " + " | ".join([str(objects), str(found), *values]) + " |"


if __name__ == "__main__":
    run_log = events.make_log()
    sys.exit(events.run_main(lambda: main(parse(), run_log), log=run_log))
