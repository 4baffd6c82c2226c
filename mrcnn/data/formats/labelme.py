"""Reads labelme's JSON files, one for each image; X-AnyLabeling writes the same form.

Shapes of one label and `group_id` are parts of one object. Flags are tags.
Source: labelme 5 (`label_file.py`, `shape.py`); a mask is a PNG of its box, whose corners are `points`.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data.coco import masks
from mrcnn.data.formats.objects import (
    NO_AREA,
    UNKNOWN_SHAPE,
    Facts,
    ObjectList,
    box_ring,
    ellipse_ring,
    tags_of,
)
from mrcnn.data.formats.pictures import Pictures, beside, head_of, read_json, relative_to, walk
from mrcnn.data.formats.record import Found, Job, split_of
from mrcnn.errors import UserError
from mrcnn.images import image_file
from mrcnn.project import listing
from mrcnn.project.shape import read_points

WHAT = "labelme JSON (a folder with a file for each image)"
BROKEN = "annotation file cannot be read"
OTHER_JSON = "JSON file passed over, not of labelme"
BAD_POINTS = "its points are malformed"
BAD_MASK = "its mask cannot be read"
_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_MOST_SNIFFED = 5  # JSON files of a folder


def fits(path: Path) -> bool:
    """Checks whether a path is a labelme file or a folder with some."""
    if path.is_dir():
        return any(_is_labelme(file) for file in walk(path, ".json")[:_MOST_SNIFFED])
    return path.suffix.lower() == ".json" and _is_labelme(path)


def read(job: Job) -> Iterator[Found]:
    """Yields the images of a file, or of all files of a folder and its subfolders."""
    root = job.path if job.path.is_dir() else job.path.parent
    pictures = Pictures(job, root)
    for file in walk(root, ".json") if job.path.is_dir() else [job.path]:
        name = relative_to(file, root)
        try:
            content = read_json(file)
        except UserError as error:
            job.report.lose_image(BROKEN, str(error))
            continue
        if not isinstance(content, Mapping) or not isinstance(content.get("shapes"), list):
            job.report.tally.add(OTHER_JSON, name.as_posix())
            continue
        yield from _read_image(job, pictures, file=file, name=name, content=content)


def _is_labelme(path: Path) -> bool:
    head = head_of(path)
    return head.startswith(b"{") and bool(_SHAPES.search(head))


def _read_image(job: Job, pictures: Pictures, *, file: Path, name: Path, content: Mapping[str, Any]) -> Iterator[Found]:
    listed = content.get("imagePath")
    same_stem = [(name.parent / file.stem).as_posix() + suffix for suffix in sorted(listing.IMAGE_EXTENSIONS)]
    stated = content.get("imageHeight"), content.get("imageWidth")
    candidates = (beside(name.parent, listed), listed, *same_stem)
    picture = pictures.find(*candidates, where=name.as_posix(), stated_hw=stated)
    if picture is None:
        return
    objects = ObjectList(job, name.as_posix(), picture.size_hw)
    for number, shape in enumerate(content["shapes"]):
        _add(objects, number, shape)
    flags = content.get("flags")
    tags = tags_of(flags) if isinstance(flags, Mapping) else ()
    yield from pictures.found(picture, file, objects=objects, tags=tags, split=split_of(name.parts[:-1]))


def _add(objects: ObjectList, number: int, shape: Any) -> None:
    if not isinstance(shape, Mapping):
        objects.lose(Facts(None, number), BAD_POINTS, f"it is {shape!r:.80}")
        return
    facts = _facts(number, shape)
    kind = str(shape.get("shape_type") or "polygon")
    try:
        points = read_points(shape.get("points"), what="points")
        if kind == "mask":
            _add_mask(objects, facts, points, data=shape.get("mask"))
        elif kind in _DRAW:
            _DRAW[kind](objects, facts, points)
        else:
            objects.lose(facts, NO_AREA if kind in _THIN else UNKNOWN_SHAPE, kind)
    except UserError as error:
        objects.lose(facts, BAD_MASK if kind == "mask" else BAD_POINTS, str(error))


def _facts(number: int, shape: Mapping[str, Any]) -> Facts:
    attributes: dict[str, Any] = {}
    for key in ("flags", "attributes"):
        attributes |= shape[key] if isinstance(shape.get(key), Mapping) else {}
    attributes |= {"difficult": True} if shape.get("difficult") is True else {}
    group, text = shape.get("group_id"), shape.get("description")
    extra = {"description": text} if isinstance(text, str) and text else {}
    return Facts(shape.get("label"), number, attributes, None if group is None else f"group {group}", extra=extra)


def _add_polygon(objects: ObjectList, facts: Facts, points: np.ndarray) -> None:
    objects.add_outline(facts, [points.ravel().tolist()])


def _add_rectangle(objects: ObjectList, facts: Facts, points: np.ndarray) -> None:
    low, high = points.min(axis=0), points.max(axis=0)
    objects.add_box(facts, box_ring(low.tolist(), high.tolist()))


def _add_turned(objects: ObjectList, facts: Facts, points: np.ndarray) -> None:
    objects.add_box(facts, points.ravel().tolist())


def _add_circle(objects: ObjectList, facts: Facts, points: np.ndarray) -> None:
    if len(points) != 2:
        raise UserError(f"a circle needs its centre and a point on it, got {len(points)} points")
    (x, y), (on_x, on_y) = points.tolist()
    radius = math.hypot(on_x - x, on_y - y)
    objects.add_outline(facts, [ellipse_ring(x, y, radius_x=radius, radius_y=radius)])


def _add_mask(objects: ObjectList, facts: Facts, points: np.ndarray, *, data: Any) -> None:
    if not isinstance(data, str) or not data:
        objects.lose(facts, masks.NO_MASK)
        return
    try:
        png = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"the mask is no base64: {error}") from error
    pixels = image_file.decode(np.frombuffer(png, np.uint8), name="in `mask`")
    x, y = np.rint(points.min(axis=0)).astype(int).tolist()
    objects.add_mask(facts, np.asarray(pixels.any(axis=2)), (x, y))


_THIN = ("line", "linestrip", "point", "points")
_DRAW: dict[str, Callable[[ObjectList, Facts, np.ndarray], None]] = {
    "polygon": _add_polygon,
    "rectangle": _add_rectangle,
    "rotation": _add_turned,  # X-AnyLabeling's turned box, four corners
    "oriented_rectangle": _add_turned,
    "circle": _add_circle,
}
