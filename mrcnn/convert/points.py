"""Replaces the masks of a project by boxes and randomly placed labelled points.

    python -m mrcnn convert points SRC DST --points 10 --seed 0

Each object becomes a rectangle, the box of its pixels, with N points at random pixels of the box; the label of a point
says whether the mask covers it. `train.py` learns masks from them with `model.mask_supervision` points. Objects of
images with the validation tag get points too but keep their masks, so that mask AP can be measured. Crowds, and objects
that are boxes already, stay as they are. Images are hard-linked where the disk allows it, else copied.
Source: Cheng, Parkhi and Kirillov (2021), Pointly-Supervised Instance Segmentation: points uniform in the box, rounded
down to whole pixels, with the label that the mask has there.
"""

import argparse
import functools
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrcnn import events, files
from mrcnn.convert.split import VAL_TAG
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog
from mrcnn.fields.mask_points import BACKGROUND, BACKGROUND_TAG, COORDS, LABELS, MaskPoints
from mrcnn.fields.points import CENTRE
from mrcnn.images import pixels
from mrcnn.project import drawing
from mrcnn.project.annotation import CROWD_TAG, INSTANCE_KEY, Annotation, Label, Tag
from mrcnn.project.geometry import Rectangle
from mrcnn.project.reader import Item, Project
from mrcnn.project.skeletons import KEYPOINT_SHAPES, Point
from mrcnn.project.writer import ProjectWriter

POINTS = 10  # of an object, as published
# keys of an object's JSON that its new geometry or its points replace
REPLACED = frozenset({
    COORDS, LABELS, "geometryType", "shape", "bitmap", "points", "parts", "angle", "nodes", "vertices", "faces",
})  # fmt: skip


@dataclass(frozen=True)
class Rules:
    """How objects are converted.

    Attributes:
        points: number of points of an object.
        seed: of the random draw; the points of an image depend only on it and on the image's name.
        masks_of: images with one of these tags keep their masks.
        kept: titles of classes whose objects stay as they are, such as the neutral class.
        as_figures: write points as figures of shape `point` instead of keys of the object's JSON.
    """

    points: int = POINTS
    seed: int = 0
    masks_of: Collection[str] = (VAL_TAG,)
    kept: Collection[str] = ()
    as_figures: bool = False


DEFAULT = Rules()


class Drawn(NamedTuple):
    """An object's box and points.

    Attributes:
        box: (y1, x1, y2, x2) pixels, exclusive ends.
        points: `[N, 3]` float32: x, y at the centres of pixels and the label, as in the field `mask_points`.
    """

    box: tuple[int, int, int, int]
    points: np.ndarray


def convert(source: Path, target: Path, *, log: EventLog, rules: Rules = DEFAULT) -> Counter[str]:
    """Writes the project with boxes and points.

    Args:
        source: the project, or a folder with one project in it.
        target: the new project's folder; must not exist or be empty.
        log: where progress is reported.
        rules: how objects are converted.

    Returns:
        Numbers of `images`, of those with masks kept as `images_with_masks`, of converted `objects`, and of `left`
        objects, which stay as they are.

    Raises:
        UserError: `rules` are out of range, the project or an annotation cannot be read, or the target is not free.
    """
    files.check_free(target)
    if rules.points < 1:
        raise UserError(f"--points must be 1 or more, got {rules.points}")
    project = Project.open(source)
    known = [item.title for item in project.meta.classes]
    for title in rules.kept:
        if title not in known:
            raise UserError(f"--keep-class must be a class of the project, got {title!r} (there: {', '.join(known)})")
    classes = tuple(item if item.title in rules.kept else replace(item, shape="any") for item in project.meta.classes)
    counts: Counter[str] = Counter()
    with ProjectWriter(target, replace(project.meta, classes=classes)) as writer:
        for item in log.track(project.items, "convert"):
            annotation = _converted(item, item.read_annotation(project.meta), rules, counts=counts)
            writer.add(item.dataset, item.name, item.image_path, annotation=annotation)
    return counts


def draw_points(mask: np.ndarray, corner: tuple[int, int], *, count: int, rng: np.random.Generator) -> Drawn:
    """Draws points uniformly in the box of a mask.

    Args:
        mask: `[h, w]` bool, cropped to the object.
        corner: (y1, x1) of its first pixel in the image.
        count: number of points; two may be the same pixel.
        rng: of the draw.
    """
    (height, width), (y1, x1) = mask.shape, corner
    shares = rng.random((count, 2))
    columns, rows = np.floor(shares * (width, height)).astype(int).T
    places = np.stack([columns + x1 + CENTRE, rows + y1 + CENTRE, mask[rows, columns]], axis=1)
    return Drawn((y1, x1, y1 + height, x1 + width), places.astype(np.float32))


def _converted(item: Item, annotation: Annotation, rules: Rules, *, counts: Counter[str]) -> Annotation:
    size_hw = annotation.size_hw or pixels.image_size(str(item.image_path))
    keeps = any(annotation.has_tag(tag) for tag in rules.masks_of)
    counts["images"] += 1
    counts["images_with_masks"] += keeps
    rng = np.random.default_rng((rules.seed, zlib.crc32(f"{item.dataset}/{item.name}".encode(errors="replace"))))
    labels: list[Label] = []
    for number, figures in enumerate(annotation.objects(), start=1):
        drawn = None if _stays(figures, rules) else _draw(figures, size_hw, rules.points, rng=rng)
        counts["left" if drawn is None else "objects"] += 1
        labels += figures if drawn is None else _boxed(figures, drawn, number=number, rules=rules, keeps=keeps)
    return replace(annotation, labels=tuple(labels))


def _stays(figures: Sequence[Label], rules: Rules) -> bool:
    """Checks whether an object stays as it is; a box does, since it says nothing of the mask."""
    own, _ = _parts(figures)
    is_box = all(isinstance(label.geometry, Rectangle) for label in own)
    return is_box or figures[0].class_title in rules.kept or figures[0].has_tag(CROWD_TAG)


def _draw(figures: Sequence[Label], size_hw: tuple[int, int], count: int, *, rng: np.random.Generator) -> Drawn | None:
    """Draws points for an object; None where it has no pixel in the image."""
    own, _ = _parts(figures)
    drawn = drawing.union([label.geometry.to_mask(*size_hw) for label in own])
    return None if drawn is None else draw_points(*drawn, count=count, rng=rng)


def _parts(figures: Sequence[Label]) -> tuple[list[Label], list[Label]]:
    """Splits the figures of an object into those of its mask and those of its extra fields without earlier points."""
    attached = [label for label in figures if label.geometry.shape in KEYPOINT_SHAPES]
    if len(attached) == len(figures):
        return list(figures), []
    own = [label for label in figures if label.geometry.shape not in KEYPOINT_SHAPES]
    return own, [label for label in attached if label.geometry.shape != Point.shape]


def _boxed(figures: Sequence[Label], drawn: Drawn, *, number: int, rules: Rules, keeps: bool) -> list[Label]:
    """Makes the labels of a converted object: its box or its mask, its points, and what else it has."""
    own, others = _parts(figures)
    y1, x1, y2, x2 = drawn.box
    if keeps:
        own = [_without(label, (COORDS, LABELS)) for label in own]
    else:
        box = Rectangle(np.array([(x1, y1), (x2 - 1, y2 - 1)]))
        own = [replace(_without(own[0], REPLACED), geometry=box)]
    if not rules.as_figures:
        return [MaskPoints().to_label(own[0], drawn.points), *own[1:], *others]
    bound = {INSTANCE_KEY: own[0].instance or f"object_{number}"}
    first = replace(own[0], extra={**own[0].extra, **bound})
    return [first, *own[1:], *others, *_figures(first, drawn.points, bound)]


def _without(label: Label, keys: Collection[str]) -> Label:
    return replace(label, extra={key: value for key, value in label.extra.items() if key not in keys})


def _figures(label: Label, points: np.ndarray, bound: dict[str, str]) -> list[Label]:
    """Makes a figure of shape `point` of each point."""
    found = []
    kept = tuple(tag for tag in label.tags if tag.name != BACKGROUND_TAG)
    for x, y, word in points.tolist():
        tags = (*kept, Tag(BACKGROUND_TAG)) if word == BACKGROUND else kept
        place = Point(np.array([[x - CENTRE, y - CENTRE]]).astype(int))
        found.append(replace(label, geometry=place, tags=tags, extra=bound))
    return found


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, metavar="SRC", help="the project with masks")
    parser.add_argument("target", type=Path, metavar="DST", help="folder for the new project; new or empty")
    parser.add_argument("--points", type=int, default=POINTS, help=f"points of an object ({POINTS})")
    parser.add_argument("--seed", type=int, default=0, help="decides where the points are (0)")
    parser.add_argument(
        "--keep-masks",
        nargs="*",
        default=[VAL_TAG],
        metavar="TAG",
        help=f"images with these tags keep their masks ({VAL_TAG}); without a tag: none do",
    )
    parser.add_argument(
        "--keep-class", nargs="+", default=[], metavar="CLASS", help="classes whose objects stay as they are"
    )
    parser.add_argument(
        "--as-figures", action="store_true", help="write points as figures of their own, for an annotation tool"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command line; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(functools.partial(_run, options, log), log=log, debug=options.debug)


def _run(options: argparse.Namespace, log: EventLog) -> None:
    rules = Rules(
        points=options.points,
        seed=options.seed,
        masks_of=options.keep_masks,
        kept=options.keep_class,
        as_figures=options.as_figures,
    )
    counts = convert(options.source, options.target, log=log, rules=rules)
    log.info(
        f"{options.target}: {counted(counts['images'], 'image')}, {counts['images_with_masks']} of them with masks; "
        f"{counted(options.points, 'point')} for each of {counted(counts['objects'], 'object')}; "
        f"{counted(counts['left'], 'object')} as before"
    )
