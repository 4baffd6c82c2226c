"""COCO AP of a model on a Supervisely project, or on its images with one tag.

    python -m mrcnn.infer.evaluate --model MODEL --project DIR [--tag val] [--config MODE.json] [--output metrics.json]

AP counts detections of every score, so the default threshold is far below the one for use: detectron2's 0.05. Of an
inference config only the mode and what belongs to it counts, not which classes it writes.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrcnn import events
from mrcnn.config.base import AUTO, PRECISIONS
from mrcnn.config.inference import FullImageMode, Mode
from mrcnn.config.load import load_inference_config
from mrcnn.data import rasterize, supervisely
from mrcnn.errors import UserError, printable
from mrcnn.evaluate.coco_metrics import CocoEvaluator, encode_crop
from mrcnn.events import EventLog
from mrcnn.infer import arguments, load, modes, sources
from mrcnn.infer.predictor import Predictor
from mrcnn.infer.sources import Picture, Source
from mrcnn.project.listing import few
from mrcnn.project.repeated import Repeats
from mrcnn.structures import CompactDetections, Instances

SCORE_THRESHOLD = 0.05
FULL_IMAGE = FullImageMode()
SUBTASK = "evaluation"
COCO_DETECTIONS = 100  # of an image and class that COCO counts; a model that gives more is scored with all of them
REGION_DETECTIONS = 1_000_000  # likewise where the model looks at many regions of an image: all of them
COLUMNS = ("box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75")


class _Scored(NamedTuple):
    """What the evaluator reads of the detections of an image; masks are run-length encoded."""

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: list[dict[str, Any]]


def evaluate(
    predictor: Predictor,
    source: Source,
    *,
    log: EventLog,
    mode: Mode = FULL_IMAGE,
    neutral: str | None = None,
    batch_size: int = 1,
) -> dict[str, Any]:
    """Scores a model on the images of a source.

    Args:
        predictor: the model.
        source: a project; objects of classes that the model does not know are left out, as are, with a message, images
            that were annotated in another size.
        log: told of progress and of each image left out.
        mode: how the model looks at an image.
        neutral: title of the class whose objects excuse detections.
        batch_size: images, or regions of them, that go through the model at once.

    Returns:
        `CocoEvaluator.result`'s dictionary with `per_class` by title, and `images` and `skipped`, their numbers.

    Raises:
        UserError: the model has none of the project's classes, or not one image could be used.
    """
    names = predictor.bundle.class_names
    most = max(COCO_DETECTIONS, predictor.bundle.config.detections_per_image)
    most = most if isinstance(mode, FullImageMode) else REGION_DETECTIONS
    evaluator, done = CocoEvaluator(len(names), max_detections=most), 0
    skipped: list[str] = []
    errors = Repeats(log, level="error")

    def skip(picture: Picture, error: Exception) -> None:
        title = source.entries[picture.index].title
        errors.add(f"{title} is skipped: {error}", title)
        skipped.append(title)

    known = {*names, neutral}
    _check_classes([item.title for item in source.meta.classes], names=names, neutral=neutral, log=log)
    pictures = sources.read_pictures(
        source, channels=predictor.bundle.config.channels, log=log, on_skip=skipped.append, exact=True
    )
    runner = modes.RUNNERS[mode.name]
    for picture, found in runner(predictor, pictures, mode, batch_size, on_error=skip):
        objects = _objects(picture, source, names=names, neutral=neutral, known=known)
        evaluator.add(picture.index, (*found.size, objects), _scored(found.detections))
        done += 1
        log.progress(SUBTASK, done + len(skipped), len(source.entries))
    errors.close()
    if not done:
        raise UserError(f"none of the {len(source.entries)} images could be used; see the messages before this one")
    result = evaluator.result()
    per_class = {names[class_id]: values for class_id, values in result.pop("per_class").items()}
    return {**result, "images": done, "skipped": len(skipped), "per_class": per_class}


def table(metrics: dict[str, Any]) -> str:
    """Writes the metrics as a table with a row per class and one for all; `-` where no object counts."""
    rows = [("", "objects", "found", *COLUMNS)]
    per_class = metrics["per_class"]
    for title, values in per_class.items():
        rows.append((title, values["objects"], values["detections"], *(_cell(values[name]) for name in COLUMNS)))
    sums = (sum(values[key] for values in per_class.values()) for key in ("objects", "detections"))
    rows.append(("all", *sums, *(_cell(metrics[name]) for name in COLUMNS)))
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [f"{row[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_model(parser, required=True)
    parser.add_argument("--project", required=True, metavar="DIR", help="Supervisely project")
    parser.add_argument("--tag", metavar="NAME", help="only images with this tag")
    parser.add_argument("--config", type=Path, metavar="JSON", help="inference config whose mode is used")
    parser.add_argument("--output", type=Path, metavar="JSON", help="where the metrics are written too")
    parser.add_argument("--score-threshold", type=float, default=SCORE_THRESHOLD, metavar="0..1")
    parser.add_argument("--batch-size", type=int, default=1, metavar="N")
    parser.add_argument("--device", metavar="cpu|N")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto")
    parser.add_argument("--debug", action="store_true", help="show where an error occurred")
    return parser.parse_args(given)


def main(args: argparse.Namespace, log: EventLog) -> None:
    """Evaluates as the command line asks and prints the table."""
    if args.batch_size < 1:
        raise UserError(f"the batch size must be at least 1, got {args.batch_size}")
    mode = load_inference_config(args.config or {}, warn=log.warning).mode
    stored = load.read_model(args.model, classes=args.classes, input_size=args.input_size)
    source = sources.open_project(args.project)
    source = sources.with_tag(source, args.tag) if args.tag else source
    bundle = load.load_model(
        stored,
        score_threshold=args.score_threshold,
        device=args.device,
        precision=args.precision,
        warn=log.warning,
    )
    if args.precision == AUTO:
        log.info(str(bundle.precision))
    metrics = evaluate(
        Predictor(bundle), source, log=log, mode=mode, neutral=stored.neutral, batch_size=args.batch_size
    )
    print(printable(table(metrics)))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        content = {"score_threshold": args.score_threshold, **_jsonable(metrics)}
        args.output.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _check_classes(titles: Sequence[str], *, names: Sequence[str], neutral: str | None, log: EventLog) -> None:
    """Compares a project's classes with a model's.

    Raises:
        UserError: they have none in common, so that nothing could be measured.
    """
    foreign = sorted(set(titles) - {*names, neutral})
    if foreign and not set(titles) & {*names[1:]}:
        raise UserError(
            f"the model has none of the project's classes ({few(foreign)}; the model's are {few(names[1:])}): evaluate "
            "on a project with its classes"
        )
    if foreign:
        log.warning(
            f"the model does not have {len(foreign)} of the project's classes ({few(foreign)}): their objects are left "
            "out, as if they were not annotated"
        )


def _objects(
    picture: Picture, source: Source, *, names: Sequence[str], neutral: str | None, known: set[str | None]
) -> Instances:
    item = source.entries[picture.index].item
    labels = tuple(label for label in picture.annotation.labels if label.class_title in known)
    if item is None:
        raise UserError("only a project can be evaluated: a folder of images has no objects")
    sample = supervisely.make_sample(
        item,
        replace(picture.annotation, labels=labels),
        class_title_to_idx={name: index for index, name in enumerate(names)},
        neutral=neutral,
    )
    height, width = picture.image.shape[:2]
    return rasterize.rasterize(
        sample.labels, class_ids=sample.class_ids, ignore=sample.ignore, height=height, width=width
    )


def _scored(found: CompactDetections) -> _Scored:
    runs = [encode_crop(mask.pixels, mask.origin, size=found.size) for mask in found.masks]
    return _Scored(found.boxes, found.class_ids, found.scores, runs)


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _jsonable(metrics: dict[str, Any]) -> dict[str, Any]:
    """Replaces NaN, which JSON lacks, by null."""
    return {
        key: _jsonable(value) if isinstance(value, dict) else None if value != value else value
        for key, value in metrics.items()
    }


if __name__ == "__main__":
    command_line = parse()
    run_log = events.make_log(command_line.log_format)
    sys.exit(events.run_main(lambda: main(command_line, run_log), log=run_log, debug=command_line.debug))
