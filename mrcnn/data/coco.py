"""Reads COCO instance annotations and makes a Supervisely project of them.

    python -m mrcnn.data.coco convert --annotations X.json --images DIR --out PROJECT --tag train
    python -m mrcnn.data.coco convert --split train T.json T_DIR --split val V.json V_DIR --out PROJECT

Each annotation becomes one bitmap, pixel for pixel what COCO's own mask code draws, also when it has several parts. A
crowd becomes an object with the tag `iscrowd`, which training ignores. Images without annotations stay, as negatives.
Source: COCO data format (cocodataset.org); masks by faster-coco-eval's mask functions.
"""

import argparse
import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from mrcnn import events
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project.annotation import CROWD_TAG, Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta, TagMeta
from mrcnn.project.reader import IMAGE_EXTENSIONS, read_json
from mrcnn.project.writer import ProjectWriter

_MIN_RING = 6  # numbers in the shortest ring, three points; the mask functions take four numbers for a box


@dataclass(frozen=True)
class CocoObject:
    """One annotation: its category's name, its `segmentation` as in the file, and whether it is a crowd."""

    category: str
    segmentation: Any
    is_crowd: bool

    def to_mask(self, height: int, width: int) -> np.ndarray | None:
        """Draws the object.

        Returns:
            `[height, width]` bool; None when the annotation has no mask or the mask no pixel.

        Raises:
            UserError: the segmentation is neither polygons nor run lengths of that image size.
        """
        run_lengths = _run_lengths(self.segmentation, height=height, width=width)
        if run_lengths is None:
            return None
        mask = coco_mask.decode(run_lengths).astype(bool)
        return mask if mask.any() else None


@dataclass(frozen=True)
class CocoImage:
    """One image, its size in pixels and its objects; `name` is as in the file and may contain folders."""

    name: str
    path: Path
    height: int
    width: int
    objects: tuple[CocoObject, ...]


@dataclass(frozen=True)
class CocoDataset:
    """The categories' names sorted by id, the images sorted by name, and what was left out, one line each."""

    categories: tuple[str, ...]
    images: tuple[CocoImage, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """One annotation file and its images; `tag` goes onto each of them, None onto none."""

    tag: str | None
    annotations: Path
    images: Path


def read_coco(annotations: Path, images_dir: Path) -> CocoDataset:
    """Reads an instance annotation file; masks are drawn later.

    Images whose file is missing, or of a type the project format does not know, are left out with a warning.

    Raises:
        UserError: the file cannot be read or is malformed, no image is there, or a category's name is repeated.
    """
    content = read_json(annotations)
    try:
        categories = {item["id"]: str(item["name"]) for item in sorted(content["categories"], key=lambda c: c["id"])}
        objects: dict[Any, list[CocoObject]] = {item["id"]: [] for item in content["images"]}
        strays = 0
        for item in content["annotations"]:
            found = CocoObject(categories[item["category_id"]], item.get("segmentation"), bool(item.get("iscrowd")))
            strays += item["image_id"] not in objects
            objects.get(item["image_id"], []).append(found)
        images = [_image(item, images_dir, objects[item["id"]]) for item in content["images"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{annotations} is no COCO instance file: {type(error).__name__} {error}") from error
    repeated = [name for name, count in Counter(categories.values()).items() if count > 1]
    if repeated:
        raise UserError(f"{annotations} has {repeated[0]!r} as the name of several categories; rename one")
    usable, warnings = _usable(images)
    if not usable:
        raise UserError(f"none of the {len(images)} images of {annotations} is in {images_dir}; name their folder")
    if strays:
        warnings.append(f"{strays} annotations of {annotations} belong to no image of the file")
    return CocoDataset(tuple(categories.values()), tuple(usable), tuple(warnings))


def convert(splits: Sequence[Split], out: Path, log: EventLog) -> Counter[str]:
    """Writes one project with a data set for each split.

    Args:
        splits: what to convert; classes are the categories of all, in order of first appearance.
        out: the project's folder; must not exist or be empty.
        log: where progress and what was left out are reported.

    Returns:
        Counts of `images`, `objects`, `crowds`, and `skipped` objects (no mask, or an empty or malformed one).

    Raises:
        UserError: a file is malformed, or `out` is not free.
    """
    datasets = [read_coco(split.annotations, split.images) for split in splits]
    titles = dict.fromkeys(name for dataset in datasets for name in dataset.categories)
    tags = dict.fromkeys(split.tag for split in splits if split.tag)
    meta = ProjectMeta(
        tuple(ClassMeta(title) for title in titles),
        tuple(TagMeta(name) for name in dict.fromkeys((*tags, CROWD_TAG))),
        {"projectType": "images"},
    )
    counts: Counter[str] = Counter()
    with ProjectWriter(out, meta) as writer:
        names = _dataset_names(splits)
        for split, dataset, name in zip(splits, datasets, names, strict=True):
            for line in dataset.warnings:
                log.warning(line)
            for image in log.track(dataset.images, f"convert {name}"):
                annotation = _annotation(image, split.tag, counts=counts, log=log)
                writer.add(name, image.name.replace("/", "_"), image.path, annotation)
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mrcnn.data.coco", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="convert")
    command = commands.add_parser("convert", help="make a Supervisely project of COCO instance annotations")
    command.add_argument("--annotations", type=Path, metavar="JSON", help="instance annotations of one split")
    command.add_argument("--images", type=Path, metavar="DIR", help="folder of their images")
    command.add_argument("--tag", help="tag for these images, e.g. train or val (none)")
    command.add_argument(
        "--split",
        nargs=3,
        action="append",
        default=[],
        metavar=("TAG", "JSON", "DIR"),
        help="instead of the three above; may be repeated",
    )
    command.add_argument("--out", type=Path, required=True, metavar="PROJECT", help="new or empty folder")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    splits = [Split(tag, Path(annotations), Path(images)) for tag, annotations, images in options.split]
    if options.annotations and options.images:
        splits.append(Split(options.tag, options.annotations, options.images))
    elif options.annotations or options.images or not splits:
        raise UserError("give --annotations JSON and --images DIR, or --split TAG JSON DIR")
    counts = convert(splits, options.out, log)
    log.info(
        f"{options.out}: {counts['images']} images, {counts['objects']} objects, {counts['crowds']} of them crowds; "
        f"{counts['skipped']} objects without a mask left out"
    )


def _image(item: Mapping[str, Any], images_dir: Path, objects: Sequence[CocoObject]) -> CocoImage:
    name = str(item["file_name"])
    return CocoImage(name, images_dir / name, int(item["height"]), int(item["width"]), tuple(objects))


def _usable(images: Iterable[CocoImage]) -> tuple[list[CocoImage], list[str]]:
    usable, warnings = [], []
    for image in sorted(images, key=lambda image: image.name):
        if image.path.suffix.lower() not in IMAGE_EXTENSIONS:
            warnings.append(f"image {image.name} is left out: the project format has no files {image.path.suffix}")
        elif not image.path.is_file():
            warnings.append(f"image {image.path} is left out: there is no such file")
        else:
            usable.append(image)
    return usable, warnings


def _dataset_names(splits: Sequence[Split]) -> list[str]:
    """Names each data set by its annotation file, numbered where two files have one name."""
    names: list[str] = []
    for split in splits:
        stem = split.annotations.stem
        number = sum(earlier.annotations.stem == stem for earlier in splits[: len(names)])
        names.append(f"{stem}_{number + 1}" if number else stem)
    return names


def _annotation(image: CocoImage, tag: str | None, *, counts: Counter[str], log: EventLog) -> Annotation:
    labels = []
    for number, item in enumerate(image.objects):
        try:
            mask = item.to_mask(image.height, image.width)
        except UserError as error:
            log.warning(f"object {number} of image {image.name} is left out: {error}")
            mask = None
        if mask is None:
            counts["skipped"] += 1
            continue
        labels.append(Label(item.category, Bitmap.from_canvas(mask), (Tag(CROWD_TAG),) if item.is_crowd else ()))
        counts["crowds"] += item.is_crowd
    counts["images"] += 1
    counts["objects"] += len(labels)
    return Annotation((image.height, image.width), (Tag(tag),) if tag else (), tuple(labels))


def _run_lengths(segmentation: Any, *, height: int, width: int) -> Mapping[str, Any] | None:
    if not segmentation:
        return None
    try:
        if isinstance(segmentation, Mapping):
            if list(segmentation["size"]) != [height, width]:
                raise UserError(f"its run lengths are for size {segmentation['size']}, the image is {[height, width]}")
            packed = isinstance(segmentation["counts"], str | bytes)
            return segmentation if packed else coco_mask.frPyObjects(segmentation, height, width)
        rings = [ring for ring in segmentation if len(ring) >= _MIN_RING and len(ring) % 2 == 0]
        return coco_mask.merge(coco_mask.frPyObjects(rings, height, width)) if rings else None
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"its segmentation is neither polygons nor run lengths ({error})") from error


if __name__ == "__main__":
    raise SystemExit(main())
