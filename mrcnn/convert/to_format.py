"""Converts a Supervisely project, predictions or other annotated images to the label format of another tool.

    python -m mrcnn convert --to yolo PROJECT --out DIR
    python -m mrcnn convert --to coco results/PROJECT --out DIR                     # what `mrcnn infer` found
    python -m mrcnn convert --to cvat predictions.json --images IMAGES --out DIR    # its COCO JSON, or that of others

PATH is anything that `--data` of a training reads. Objects have the pixels that training would use. Images are
hard-linked where the disk allows it, else copied. What the format cannot hold is counted at the end, by class.
"""

import argparse
import functools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mrcnn import events, files
from mrcnn.convert import formats
from mrcnn.convert.writers import objects
from mrcnn.convert.writers.folder import new_folder
from mrcnn.convert.writers.record import Losses, Picture, Setup, Writer
from mrcnn.convert.writers.table import WRITERS
from mrcnn.data.formats.record import TEST, TRAIN, VAL, split_of
from mrcnn.data.sources import coco, coco_folder, table
from mrcnn.data.sources.source import PROJECT, AnnotatedImage, DataPaths, Source
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.fields import extras
from mrcnn.project.annotation import Annotation

BAD_ANNOTATION = "its annotation cannot be read"
BAD_IMAGE = "it cannot be read, or has another size than its annotation says (height x width)"
SECOND_SPLIT = "image with the tag of a second split, in the first one alone"
RENAMED = "image renamed, since another one has this name, perhaps with another suffix"


@dataclass(frozen=True)
class Plan:
    """What is written, and what tags mean.

    Attributes:
        kind: name of a format of `writers.table.WRITERS`.
        split_tags: name of the tag by split; an image with several is in the first of them.
        score_tag: name of the tag with the score of a detection.
    """

    kind: str
    split_tags: Mapping[str, str] = field(default_factory=lambda: {name: name for name in (TRAIN, VAL, TEST)})
    score_tag: str = coco.SCORE_TAG


def convert(paths: DataPaths, out: Path, *, log: EventLog, plan: Plan) -> tuple[Losses, int]:
    """Writes the data in another format and logs what is lost.

    Args:
        paths: of the data.
        out: a folder; must not exist or be empty.
        log: where progress and omissions are reported.
        plan: the format and the tags.

    Returns:
        What was kept and what was not, and the number of images written.

    Raises:
        UserError: the data is in no known format, none of its images can be used, or `out` is not free.
    """
    files.check_free(out)
    source = table.open_source(paths)
    for line in source.warnings:
        log.warning(line)
    with new_folder(out, warn=log.warning) as folder:
        conversion = _Conversion(source, folder, plan)
        for item in log.track(source.items, "convert"):
            conversion.add(item)
        remarks = conversion.writer.finish()
        reasons = conversion.losses.lines()
        if not conversion.count:
            raise UserError(f"no image of {paths.data} can be used: {'; '.join(reasons)}")
    for line in (*reasons, *remarks):
        log.warning(line)
    return conversion.losses, conversion.count


class _Conversion:
    """One conversion; `count` images are written so far."""

    def __init__(self, source: Source, folder: Path, plan: Plan):
        """Starts the writer."""
        self.losses, self.count = Losses(), 0
        self._source, self._folder, self._plan = source, folder, plan
        facts = {item.title: source.class_facts.get(item.title, {}) for item in source.meta.classes}
        self._fields = objects.fields_of(facts)
        self.losses.declare(facts)
        self.losses.lost_images = source.left_out
        own = {title: {} if source.kind == PROJECT else values for title, values in facts.items()}
        self._format = WRITERS[plan.kind]
        self.writer: Writer = self._format.open(
            Setup(
                folder,
                name=source.name,
                categories={title: {**own[title], **extras.to_coco_category(self._fields[title])} for title in facts},
                colors={item.title: item.color for item in source.meta.classes},
                losses=self.losses,
            )
        )
        self._has_folders = _has_folders(source)
        self._taken: set[str] = set()

    def add(self, item: AnnotatedImage) -> None:
        """Writes an image, or counts why it is left out."""
        where = f"{item.dataset}/{item.name}"
        try:
            annotation = item.read_annotation(self._source.meta)
        except UserError as error:
            self.losses.lose_image(BAD_ANNOTATION, str(error))
            return
        try:
            frame = objects.Frame(item.image_path, annotation.size_hw)
        except UserError as error:
            self.losses.lose_image(BAD_IMAGE, str(error))
            return
        instances = objects.instances_of(
            annotation,
            frame,
            fields=self._fields,
            score_tag=self._plan.score_tag,
            losses=self.losses,
            where=where,
        )
        split, names = self._split(item, annotation), {*self._plan.split_tags.values()}
        tags = [tag for tag in annotation.tags if tag.name not in names]
        own = objects.unique(tags, "tags of images", self.losses)
        picture = self._placed(Picture(self._name(item), split, frame.upright_hw, instances, own))
        target = self._folder / self.writer.image_path(picture)
        target.parent.mkdir(parents=True, exist_ok=True)
        files.link_or_copy(item.image_path, target)
        self.writer.add(picture)
        self.count += 1

    def _split(self, item: AnnotatedImage, annotation: Annotation) -> str | None:
        found = [split for split, name in self._plan.split_tags.items() if annotation.has_tag(name)]
        for split in found[1:]:
            self.losses.reduce(SECOND_SPLIT, self._plan.split_tags[split])
        if found:
            return found[0]
        if item.ann_path.name == coco_folder.FILE:
            return split_of([item.ann_path.parent.name])
        return getattr(item, "split", None)

    def _name(self, item: AnnotatedImage) -> str:
        """Makes a name without hidden parts, which tools pass over."""
        name = f"{item.dataset}/{item.name}" if self._has_folders else item.name
        return "/".join(f"_{part}" if part.startswith(".") else part for part in name.split("/"))

    def _placed(self, picture: Picture) -> Picture:
        """Renames an image whose place, or that of its annotation, is taken."""
        stem, suffix = os.path.splitext(picture.name)
        placed, number = picture, 1
        while (place := self._place(placed)) in self._taken:
            number += 1
            placed = picture._replace(name=f"{stem}_{number}{suffix}")
        self._taken.add(place)
        if number > 1:
            self.losses.tally.add(RENAMED, f"{picture.name} is {placed.name}")
        return placed

    def _place(self, picture: Picture) -> str:
        path = self.writer.image_path(picture)
        return os.path.splitext(path)[0] if self._format.has_stems else path


def _has_folders(source: Source) -> bool:
    """Checks whether images need the names of their data sets: those of a project's several, or equal names."""
    if source.kind == PROJECT:
        return len({item.dataset for item in source.items}) > 1
    return max(Counter(item.name for item in source.items).values(), default=0) > 1


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s FORMAT PATH --out DIR [options]",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = "; ".join(f"{name}: {row.what}" for name, row in WRITERS.items())
    parser.add_argument("format", choices=WRITERS, metavar="FORMAT", help=known)
    parser.add_argument("path", type=Path, metavar="PATH", help="a project, COCO JSON or data of another label format")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the images (where the data has them)")
    parser.add_argument("--boxes-as-masks", action="store_true",
                        help="take an object that has only a box as a mask, the whole box (left out)")  # fmt: skip
    for split in (TRAIN, VAL, TEST):
        parser.add_argument(f"--{split}-tag", default=split, metavar="TAG", help=f"tag of its images ({split})")
    parser.add_argument("--score-tag", default=coco.SCORE_TAG, metavar="TAG",
                        help=f"tag with the score of a detection ({coco.SCORE_TAG})")  # fmt: skip
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    paths = DataPaths(options.path, options.images, boxes_as_masks=options.boxes_as_masks)
    tags = {split: getattr(options, f"{split}_tag") for split in (TRAIN, VAL, TEST)}
    losses, count = convert(paths, options.out, log=log, plan=Plan(options.format, tags, options.score_tag))
    for line in formats.summary(formats.counts_of(losses)):
        log.info(line)
    log.info(
        f"{options.out}: {counted(count, 'image')} and {counted(losses.kept.total(), 'object')} written as "
        f"{options.format}, {counted(losses.lost_images, 'image')} and {counted(losses.lost.total(), 'object')} left "
        "out"
    )
