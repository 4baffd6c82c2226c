"""Converts COCO instance annotations to a Supervisely project.

    python -m mrcnn convert coco --annotations X.json --images DIR --out PROJECT --tag train
    python -m mrcnn convert coco --split train T.json T_DIR --split val V.json V_DIR --out PROJECT

Each annotation becomes one bitmap with exactly the pixels of COCO's own mask code, also when it has several parts. A
crowd becomes an object with the tag `iscrowd`, which training ignores. Images without annotations stay as negatives.
Source: COCO data format (cocodataset.org); masks by faster-coco-eval's mask functions.
"""

import argparse
import functools
import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrcnn import events, files
from mrcnn.data.coco import objects
from mrcnn.data.coco.annotations import CocoObject
from mrcnn.data.coco.file import CocoImage, read_coco
from mrcnn.data.tally import Tally
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.listing import is_overlong
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.shape import Geometry
from mrcnn.project.writer import ProjectWriter

CROWDS = "crowd not learnt, since `iscrowd` is 1 (--crowds-as-objects takes crowds as objects)"
CROWDS_TAKEN = "crowd taken as if `iscrowd` were 0"
NAME_TOO_LONG = "image left out, name too long for a project"


@dataclass(frozen=True)
class Split:
    """One annotation file and its images.

    Attributes:
        tag: for each of its images; None for no tag.
        annotations: the annotation file.
        images: the folder of its images.
    """

    tag: str | None
    annotations: Path
    images: Path


def convert(
    splits: Sequence[Split],
    out: Path,
    log: EventLog,
    *,
    crowds_as_objects: bool = False,
    boxes_as_masks: bool = False,
) -> Counter[str]:
    """Writes one project with a data set for each split.

    Args:
        splits: the files to convert; the classes are the categories of all, in order of first appearance.
        out: the project's folder; must not exist or be empty.
        log: where progress and omissions are reported.
        crowds_as_objects: convert objects with `iscrowd` 1 to normal objects; else training ignores them.
        boxes_as_masks: take the box of an object without a mask as its mask; else it is left out.

    Returns:
        Counts of `images`, `objects`, `crowds`, and `skipped` objects.

    Raises:
        UserError: a file is malformed or leaves nothing to learn, or `out` is not free.
    """
    files.check_free(out)
    datasets = [read_coco(split.annotations, split.images, boxes_as_masks=boxes_as_masks) for split in splits]
    titles = dict.fromkeys(name for dataset in datasets for name in dataset.categories)
    tags = dict.fromkeys(split.tag for split in splits if split.tag)
    items = (item for dataset in datasets for image in dataset.images for item in image.objects)
    mixed = {item.category for item in items if item.corners or extras.own_shapes(tuple(item.extras))}
    fields = {title: known for dataset in reversed(datasets) for title, known in dataset.fields.items()}
    meta = ProjectMeta(
        tuple(
            ClassMeta(title, "any", extra=extras.to_class(fields[title])) if title in mixed else ClassMeta(title)
            for title in titles
        ),
        tuple(TagMeta(name) for name in dict.fromkeys((*tags, CROWD_TAG))),
        {"projectType": "images"},
    )
    counts: Counter[str] = Counter()
    with ProjectWriter(out, meta) as writer:
        for split, dataset, name in zip(splits, datasets, _dataset_names(splits), strict=True):
            converted = _Converter(name, split.tag, fields=dataset.fields, crowds_as_objects=crowds_as_objects)
            for line in dataset.warnings:
                log.warning(line)
            for image in log.track(dataset.images, f"convert {name}"):
                converted.add(image, writer)
            for line in converted.tally.lines():
                log.warning(line)
            lost = dataset.lost + converted.counts["skipped"]
            if lost and not converted.counts["objects"]:
                raise UserError(f"nothing can be learnt from {dataset.path}: its {lost} objects are all left out")
            counts += converted.counts + Counter(skipped=dataset.lost)
    return counts


class _Converter:
    """Draws the objects of one data set and adds its images to a project."""

    def __init__(self, dataset: str, tag: str | None, *, fields: Mapping[str, Fields], crowds_as_objects: bool):
        """Starts with all counts at zero."""
        self.counts: Counter[str] = Counter()
        self.tally = Tally()
        self._dataset, self._tag, self._crowds_as_objects = dataset, tag, crowds_as_objects
        self._names: set[str] = set()
        self._fields = fields

    def add(self, image: CocoImage, writer: ProjectWriter) -> None:
        """Adds an image, or leaves it out if its name is too long."""
        name = self._free_name(image.name)
        if is_overlong(name):
            self.tally.add(NAME_TOO_LONG, image.name)
            self.counts["skipped"] += len(image.objects)
            return
        figures = [self._figures(*item, image) for item in objects.read_objects(image, self.tally)]
        labels = tuple(itertools.chain.from_iterable(figures))
        tags = (Tag(self._tag),) if self._tag else ()
        writer.add(self._dataset, name, image.path, annotation=Annotation((image.height, image.width), tags, labels))
        self.counts["images"] += 1
        self.counts["objects"] += len(figures)
        self.counts["skipped"] += len(image.objects) - len(figures)

    def _figures(self, item: CocoObject, geometry: Geometry, image: CocoImage) -> tuple[Label, ...]:
        if item.is_crowd:
            where = f"{item.name} of image {image.name}"
            self.tally.add(CROWDS_TAKEN if self._crowds_as_objects else CROWDS, where)
        is_ignored = item.is_crowd and not self._crowds_as_objects
        self.counts["crowds"] += is_ignored
        if isinstance(geometry, objects.RunLengths):
            geometry = geometry.to_bitmap()
        label = Label(item.category, geometry, (Tag(CROWD_TAG),) if is_ignored else ())
        return extras.figures(label, item.extras, self._fields.get(item.category))

    def _free_name(self, path: str) -> str:
        """Converts a path to an unused file name, without folders and without a leading dot."""
        name = path.replace("/", "_")
        stem, suffix = os.path.splitext(f"_{name}" if name.startswith(".") else name)
        name, number = stem + suffix, 1
        while name in self._names:
            number += 1
            name = f"{stem}_{number}{suffix}"
        self._names.add(name)
        return name


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("--annotations", type=Path, metavar="JSON", help="instance annotations of one split")
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of their images")
    parser.add_argument("--tag", help="tag for these images, e.g. train or val (none)")
    parser.add_argument(
        "--split",
        nargs=3,
        action="append",
        default=[],
        metavar=("TAG", "JSON", "DIR"),
        help="instead of the three above; may be repeated",
    )
    parser.add_argument(
        "--crowds-as-objects",
        action="store_true",
        help="take objects with `iscrowd` 1 as objects; some tools mark every brush mask so",
    )
    parser.add_argument(
        "--boxes-as-masks", action="store_true", help="take objects that have only a box as masks, the whole box"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    splits = [Split(tag, Path(annotations), Path(images)) for tag, annotations, images in options.split]
    if options.annotations and options.images:
        splits.append(Split(options.tag, options.annotations, options.images))
    elif options.annotations or options.images or not splits:
        raise UserError("give --annotations JSON and --images DIR, or --split TAG JSON DIR")
    asked = {name: getattr(options, name) for name in ("crowds_as_objects", "boxes_as_masks")}
    counts = convert(splits, options.out, log, **asked)
    if counts["crowds"] == counts["objects"]:
        what = "all its objects are crowds" if counts["objects"] else "it has no object"
        log.warning(f"nothing can be learnt from {options.out} alone: {what}")
    log.info(
        f"{options.out}: {counted(counts['images'], 'image')}, {counted(counts['objects'], 'object')}, "
        f"{counts['crowds']} of them crowds; {counted(counts['skipped'], 'object')} left out"
        f"{', which training takes for background' if counts['skipped'] else ''}"
    )


def _dataset_names(splits: Sequence[Split]) -> list[str]:
    """Names each data set after its annotation file, with a number where names are equal."""
    names: list[str] = []
    for split in splits:
        stem = split.annotations.stem
        number = sum(earlier.annotations.stem == stem for earlier in splits[: len(names)])
        names.append(f"{stem}_{number + 1}" if number else stem)
    return names
