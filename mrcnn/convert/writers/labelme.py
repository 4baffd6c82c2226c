"""Writes labelme's JSON files, one beside each image, and `labels.txt` with the names of the classes.

    train/NAME.jpg, train/NAME.json, …; images of no split in the folder itself

Parts of an object are polygons of one `group_id`, from which COCO's mask code draws exactly its pixels; an object with
holes or many parts is a `mask`. A tag without a value is a flag, one with a value is in `attributes`; `attributes` and
`score` are X-AnyLabeling's keys, which labelme keeps. A crowd has the flag `iscrowd`.
Source: labelme 5 (`label_file.py`, `shape.py`); the points of a mask are its first and last pixel.
"""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import cv2
import numpy as np

from mrcnn.convert.writers import numerals, outlines
from mrcnn.convert.writers.record import Instance, Picture, Writer, attributes_of
from mrcnn.data.formats.record import split_of

VERSION = "5.5.0"  # of labelme, whose keys these are
MOST_PARTS = 16  # polygons of an object; one with more is written as a mask
SCORE_DECIMALS = 6


class LabelmeWriter(Writer):
    """Writes the file of each image at once."""

    HOLDS = frozenset({"score", "tags", "description", "crowds", "image tags"})

    def image_path(self, picture: Picture) -> str:
        """Places an image in the folder of its split; one of no split not in a folder with the name of a split."""
        if picture.split:
            return f"{picture.split}/{picture.name}"
        *folders, name = picture.name.split("/")
        return "/".join((*(f"{part}_" if split_of([part]) else part for part in folders), name))

    def add(self, picture: Picture) -> None:
        """Writes the file of an image; see `Writer.add`."""
        path = (self.setup.folder / self.image_path(picture)).with_suffix(".json")
        path.write_text(_text(content_of(picture, self.kept(picture))), encoding="utf-8")

    def finish(self) -> Sequence[str]:
        """Writes `labels.txt`, which labelme reads by `--labels`; see `Writer.finish`."""
        text = "".join(f"{title}\n" for title in self.setup.titles)
        (self.setup.folder / "labels.txt").write_text(text, encoding="utf-8")
        return ()


def content_of(picture: Picture, instances: Sequence[Instance]) -> dict[str, Any]:
    """Makes the content of an image's file.

    Args:
        picture: the image.
        instances: its objects.
    """
    height, width = picture.size_hw
    shapes: list[dict[str, Any]] = []
    group = 0
    traced = outlines.trace_all([item.drawn for item in instances])
    for item, found in zip(instances, traced, strict=True):
        made = list(shapes_of(item, found))
        if len(made) > 1:
            group += 1
            made = [{**shape, "group_id": group} for shape in made]
        shapes += made
    return {
        "version": VERSION,
        "flags": attributes_of(picture.tags),
        "shapes": shapes,
        "imagePath": PurePosixPath(picture.name).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def shapes_of(item: Instance, found: outlines.Outlines) -> Iterator[dict[str, Any]]:
    """Yields the shapes of an object: a mask, or a polygon for each part.

    Args:
        item: the object.
        found: its outlines.
    """
    if found.holes or len(found.parts) > MOST_PARTS:
        (y, x), (height, width) = item.origin, item.mask.shape
        points = [[x, y], [x + width - 1, y + height - 1]]
        yield {**_shape(item, "mask"), "points": points, "mask": _png(item.mask)}
        return
    for ring in found.parts:
        yield {**_shape(item, "polygon"), "points": ring.tolist(), "mask": None}


def _text(content: Mapping[str, Any]) -> str:
    """Writes the content in JSON; the points, by far most of it, in a faster way."""
    shapes = []
    for shape in content["shapes"]:
        rest = json.dumps({key: value for key, value in shape.items() if key != "points"}, ensure_ascii=False)
        shapes.append(f'{rest[:-1]}, "points": {numerals.pairs(itertools.chain.from_iterable(shape["points"]))}}}')
    rest = json.dumps({key: value for key, value in content.items() if key != "shapes"}, ensure_ascii=False)
    return f'{rest[:-1]}, "shapes": [{", ".join(shapes)}]}}'


def _shape(item: Instance, kind: str) -> dict[str, Any]:
    values = attributes_of(item.tags, is_crowd=item.is_crowd)
    flags = {name: value for name, value in values.items() if value is True}
    others = {name: value for name, value in values.items() if name not in flags}
    return {
        "label": item.title,
        "group_id": None,
        "description": item.description,
        "shape_type": kind,
        "flags": flags,
        **({"attributes": others} if others else {}),
        **({} if item.score is None else {"score": round(item.score, SCORE_DECIMALS)}),
    }


def _png(mask: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8))[1].tobytes()).decode("ascii")
