"""Reads CVAT's XML for images (version 1.1): polygons, masks, ellipses and boxes.

Shapes of one label and `group_id` are parts of one object, as in CVAT's own COCO export. Attributes and `occluded` are
tags. The file is read as a stream, an image at a time. Overlapping objects keep all their pixels; the objects of an
image are sorted by `z_order`.
Source: CVAT's XML annotation format. A mask is `rle`, counts of pixels row by row inside its box, zeros first.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from mrcnn.data.coco import masks
from mrcnn.data.formats.objects import (
    NO_AREA,
    UNKNOWN_SHAPE,
    Facts,
    ObjectList,
    ellipse_ring,
    turned_box,
)
from mrcnn.data.formats.outlines import extent, number, numbers
from mrcnn.data.formats.pictures import Pictures, head_of
from mrcnn.data.formats.record import SPLIT_NAMES, Found, Job, split_of
from mrcnn.errors import UserError
from mrcnn.project.annotation import Tag

WHAT = "CVAT for images 1.1 (annotations.xml, or a folder with one)"
FILE = "annotations.xml"
BAD_SHAPE = "its shape is malformed"
THIN = ("polyline", "points", "skeleton", "cuboid")
NO_SHAPE = ("tag", "attribute")  # other children of an image or a shape


def fits(path: Path) -> bool:
    """Checks whether a path is such a file, or a folder with one."""
    path = path / FILE if path.is_dir() else path
    head = head_of(path)
    return path.suffix.lower() == ".xml" and b"<annotations" in head and b"<annotation>" not in head


def read(job: Job) -> Iterator[Found]:
    """Yields the images of the file.

    Raises:
        UserError: the file is no XML, or holds tracks of a video.
    """
    file = job.path / FILE if job.path.is_dir() else job.path
    pictures = Pictures(job, file.parent)
    try:
        for _, element in iterparse(file, events=("end",), forbid_dtd=True):
            if element.tag == "labels":
                job.report.declare(_labels(element))
            elif element.tag == "track":
                raise UserError(f"{file} holds tracks of a video; export it from CVAT as CVAT for images 1.1")
            elif element.tag == "image":
                yield from _read_image(job, pictures, file=file, element=element)
                element.clear()
    except UserError:
        raise
    except (ParseError, DefusedXmlException, ValueError, OSError) as error:
        raise UserError(f"{file} cannot be read as XML: {error}") from error


def _labels(element: Element) -> Iterator[str]:
    """Yields the names of the labels that can have an area."""
    for label in element.iter("label"):
        name = label.findtext("name")
        if name and label.findtext("type") not in ("tag", *THIN):
            yield name


def _read_image(job: Job, pictures: Pictures, *, file: Path, element: Element) -> Iterator[Found]:
    name = element.get("name")
    stated = element.get("height"), element.get("width")
    where = f"{file.name} image {element.get('id')}"
    picture = pictures.find(name, f"images/{name}", where=where, stated_hw=stated)
    if picture is None:
        return
    objects = ObjectList(job, f"{file.name} image {name}", picture.size_hw)
    shapes = [(index, child) for index, child in enumerate(element) if child.tag not in NO_SHAPE]
    for index, child in sorted(shapes, key=lambda pair: _z_order(pair[1])):
        _add(objects, index, child)
    tags = tuple(Tag(child.attrib["label"]) for child in element.iter("tag") if child.get("label"))
    subset = (element.get("subset") or "").lower()
    split = SPLIT_NAMES.get(subset) or split_of(Path(name or "").parts[:-1])
    yield from pictures.found(picture, file, objects=objects, tags=tags, split=split)


def _z_order(element: Element) -> float:
    try:
        return number(element.attrib, "z_order")
    except UserError:
        return 0


def _add(objects: ObjectList, index: int, element: Element) -> None:
    content = element.attrib
    attributes = {item.get("name") or "": _value(item.text) for item in element.iter("attribute")}
    attributes |= {"occluded": True} if content.get("occluded") == "1" else {}
    group = content.get("group_id")
    facts = Facts(
        content.get("label"), f"{index} ({element.tag})", attributes, None if group in (None, "0") else f"group {group}"
    )
    try:
        if element.tag in _DRAW:
            _DRAW[element.tag](objects, facts, content)
        else:
            objects.lose(facts, NO_AREA if element.tag in THIN else UNKNOWN_SHAPE)
    except UserError as error:
        objects.lose(facts, BAD_SHAPE, str(error))


def _value(text: str | None) -> Any:
    text = (text or "").strip()
    return {"true": True, "false": False}.get(text, text)


def _add_polygon(objects: ObjectList, facts: Facts, content: Mapping[str, Any]) -> None:
    try:
        ring = [float(value) for point in content.get("points", "").split(";") for value in point.split(",")]
    except ValueError as error:
        raise UserError(f"`points` must be x,y;x,y;…: {error}") from error
    objects.add_outline(facts, [ring])


def _add_mask(objects: ObjectList, facts: Facts, content: Mapping[str, Any]) -> None:
    left, top = numbers(content, "left", "top")
    width, height = (int(side) for side in extent(content, "width", "height"))
    if width * height > masks.MOST_PIXELS:
        raise UserError(f"its box has {height} x {width} pixels, more than {masks.MOST_PIXELS}")
    try:
        counts = np.array(content.get("rle", "").split(","), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise UserError(f"`rle` must be counts of pixels: {error}") from error
    if counts.min() < 0 or counts.max() > width * height or counts.sum() != width * height:
        raise UserError(f"`rle` adds up to {counts.sum()} pixels, its box has {height} x {width}")
    mask = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    objects.add_mask(facts, mask, (int(left), int(top)))


def _add_ellipse(objects: ObjectList, facts: Facts, content: Mapping[str, Any]) -> None:
    (x, y), (radius_x, radius_y) = numbers(content, "cx", "cy"), extent(content, "rx", "ry")
    ring = ellipse_ring(x, y, radius_x=radius_x, radius_y=radius_y, degrees=number(content, "rotation"))
    objects.add_outline(facts, [ring])


def _add_box(objects: ObjectList, facts: Facts, content: Mapping[str, Any]) -> None:
    x1, y1, x2, y2 = numbers(content, "xtl", "ytl", "xbr", "ybr")
    degrees = number(content, "rotation")
    ring = turned_box(x1, y1, width=x2 - x1, height=y2 - y1, degrees=degrees, about_centre=True)
    objects.add_box(facts, ring)


_DRAW: dict[str, Callable[[ObjectList, Facts, Mapping[str, Any]], None]] = {
    "polygon": _add_polygon,
    "mask": _add_mask,
    "ellipse": _add_ellipse,
    "box": _add_box,
}
