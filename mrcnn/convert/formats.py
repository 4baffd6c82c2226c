"""Converts data of a label format to a Supervisely project.

    python -m mrcnn convert labelme DIR --out PROJECT
    python -m mrcnn convert PATH --out PROJECT          # the format is recognized by the files at PATH

Each object becomes one bitmap with the pixels that training on the data itself (`--data`) would use. Splits of the
data become the tags `train`, `val` and `test`; without splits a fifth of the images, stratified by class, is `val`.
Attributes become tags of the objects, crowds have the tag `iscrowd`, and parts of one object the same `instance`.
"""

import argparse
import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mrcnn import events, files
from mrcnn.convert.split import TRAIN_TAG, VAL_FRACTION, VAL_TAG, Split
from mrcnn.data import stratify
from mrcnn.data.coco.objects import RunLengths
from mrcnn.data.formats import table
from mrcnn.data.formats.record import Found, Job, Report
from mrcnn.data.sources import formats as sources
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.writer import ProjectWriter


@dataclass(frozen=True)
class Plan:
    """How a conversion chooses format and splits.

    Attributes:
        kind: name of a format of `table.READERS`; None recognizes it.
        split: how images are tagged; None keeps the splits of the data, and where it has no validation images, draws
            some.
        seed: of that draw.
    """

    kind: str | None = None
    split: Split | None = None
    seed: int = 0


def convert(job: Job, out: Path, *, log: EventLog, plan: Plan) -> Report:
    """Writes the project and logs what is left out.

    Args:
        job: what is read.
        out: the project's folder; must not exist or be empty.
        log: where progress and omissions are reported.
        plan: the format and the splits.

    Returns:
        What was kept and what was not.

    Raises:
        UserError: the format is not recognized, nothing of the data can be used, `plan.split` does not fit the images,
            or `out` is not free.
    """
    files.check_free(out)
    kind = plan.kind or _guess(job.path, log)
    items = _tagged(table.read(kind, job), plan, job.report)
    with ProjectWriter(out, sources.meta_of(items, job.report)) as writer:
        for item in log.track(items, "convert"):
            labels = tuple(map(_stored, item.annotation.labels))
            annotation = replace(item.annotation, labels=labels)
            writer.add(item.dataset, item.name, item.image_path, annotation=annotation)
    for line in job.report.tally.lines():
        log.warning(line)
    return job.report


def summary(items: Sequence[tuple[str, int, int]]) -> list[str]:
    """Writes a table of the objects kept and left out, a line for each class.

    Args:
        items: title of the class, number of objects kept, number left out.
    """
    rows = [("class", "objects", "left out"), *((title, str(kept), str(lost)) for title, kept, lost in items)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]


def counts_of(report: Report) -> list[tuple[str, int, int]]:
    """Lists (title, kept, left out) of each class, and of the objects without a class where there are any."""
    rows = [(title, report.kept[title], report.lost[title]) for title in report.classes]
    return [*rows, *([("(no class)", 0, report.lost[""])] if report.lost[""] else [])]


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="file or folder of the annotations")
    parser.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    parser.add_argument("--kind", choices=table.READERS, help="the format (recognized)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the images (where the format has them)")
    parser.add_argument("--boxes-as-masks", action="store_true",
                        help="take an object that has only a box as a mask, the whole box (left out)")  # fmt: skip
    parser.add_argument("--val-fraction", type=float, metavar="0..1",
                        help="share of each class's images to tag val, instead of the splits of the data")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="decides which images are drawn (0)")
    parser.add_argument("--train-list", type=Path, metavar="FILE", help="names of the training images, one a line")
    parser.add_argument("--val-list", type=Path, metavar="FILE", help="the same for the validation images")
    parser.add_argument("--tag", metavar="TAG", help="instead: the tag of all images, e.g. train")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    given = {name: getattr(options, name) for name in ("val_fraction", "train_list", "val_list", "tag")}
    asked = any(value is not None for value in given.values())
    split = Split(**given, seed=options.seed) if asked else None
    job = Job(options.path, options.images, options.boxes_as_masks)
    report = convert(job, options.out, log=log, plan=Plan(options.kind, split, options.seed))
    for line in summary(counts_of(report)):
        log.info(line)
    lost = report.lost.total()
    log.info(
        f"{options.out}: {counted(report.kept.total(), 'object')} kept, {counted(lost, 'object')} and "
        f"{counted(report.lost_images, 'image')} left out"
        f"{'; training treats what was left out as background' if lost else ''}"
    )


def _guess(path: Path, log: EventLog) -> str:
    kind = table.guess(path)
    if kind is None:
        if not path.exists():
            raise UserError(f"the data {path} does not exist")
        if path.suffix.lower() == ".json":
            raise UserError(
                f"{path} is none of {', '.join(table.READERS)}; for COCO JSON use `convert coco --annotations {path} "
                "--images DIR`, or name the format by --kind"
            )
        raise UserError(
            f"the format of {path} is not recognized; name it by --kind ({', '.join(table.READERS)}), or use "
            "`convert coco` or `convert masks`"
        )
    log.info(f"{path} is read as {kind}: {table.READERS[kind].what}; --kind names another format")
    return kind


def _tagged(items: list[Found], plan: Plan, report: Report) -> list[Found]:
    """Replaces the tags of splits where the plan or missing splits ask for it."""
    names = [f"{item.dataset}/{item.name}" for item in items]
    if plan.split is None:
        if {TRAIN_TAG, VAL_TAG} <= {item.split for item in items}:
            return items
        tags = _drawn(items, fraction=VAL_FRACTION, seed=plan.seed)
    elif plan.split.val_fraction is not None:
        tags = _drawn(items, fraction=plan.split.val_fraction, seed=plan.split.seed)
    else:
        plain = [item.name for item in items]
        unique = Counter(plain)
        keys = [name if unique[name] == 1 else full for name, full in zip(plain, names, strict=True)]
        found = plan.split.tags(keys, report.tally)
        tags = [found[key] for key in keys]
    return [_with_tag(item, tag) for item, tag in zip(items, tags, strict=True)]


def _drawn(items: Sequence[Found], *, fraction: float, seed: int) -> list[str | None]:
    """Draws validation images from those that are not for testing."""
    if not 0 < fraction < 1:
        raise UserError(f"--val-fraction must be above 0 and below 1, got {fraction}")
    free = [index for index, item in enumerate(items) if item.split in (None, TRAIN_TAG, VAL_TAG)]
    classes = [[label.class_title for label in items[index].annotation.labels] for index in free]
    drawn = {free[index] for index in stratify.draw(classes, fraction=fraction, seed=seed)}
    tags: list[str | None] = [item.split for item in items]
    for index in free:
        tags[index] = VAL_TAG if index in drawn else TRAIN_TAG
    return tags


def _with_tag(item: Found, tag: str | None) -> Found:
    others = tuple(other for other in item.annotation.tags if item.split is None or other.name != item.split)
    annotation: Annotation = replace(item.annotation, tags=(*((Tag(tag),) if tag else ()), *others))
    return item._replace(annotation=annotation, split=tag)


def _stored(label: Label) -> Label:
    """Encodes the mask of an object, so that it is drawn once."""
    geometry = label.geometry
    return replace(label, geometry=geometry.to_bitmap()) if isinstance(geometry, RunLengths) else label
