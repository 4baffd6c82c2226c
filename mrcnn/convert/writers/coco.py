"""Writes COCO instance JSON: a file for each split, with the images of the split in a folder of its name.

    annotations/instances_train.json, instances_val.json, …; instances.json for images of no split
    train/, val/, …; images/

An object without holes is written as polygons, from which COCO's mask code draws exactly its pixels; an object with
holes or very many parts, and a crowd, as compressed run lengths. Beside COCO's keys an object may have `score`, as in
COCO's results, `attributes`, as in CVAT's export, and `description`.
Source: COCO data format (cocodataset.org); pycocotools' `loadRes` needs `info`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn.convert.writers import numerals, outlines
from mrcnn.convert.writers.record import Instance, Picture, Setup, Writer, attributes_of
from mrcnn.data.coco import masks

FOLDER = "annotations"
NO_SPLIT = "images"  # folder of the images of no split
MOST_PARTS = 16  # polygons of an object; one with more is written as run lengths
SCORE_DECIMALS = 6
LONGEST_ID = 16  # digits; programs read JSON's numbers as floats, which hold whole numbers to 2**53
OTHER_ID = "object with a new id, since its own is no number above 0 or is there twice"

Segmentation = list[list[float]] | masks.Rle


class CocoWriter(Writer):
    """Writes annotations as they come; images and categories follow at the end of each file."""

    HOLDS = frozenset({"score", "tags", "description", "id", "fields", "crowds", "image tags"})

    def __init__(self, setup: Setup):
        """Creates the folder of the files."""
        super().__init__(setup)
        self._ids = category_ids(setup.categories)
        self._files: dict[str | None, _File] = {}
        (setup.folder / FOLDER).mkdir()

    def image_path(self, picture: Picture) -> str:
        """Places an image in the folder of its split."""
        return f"{picture.split or NO_SPLIT}/{picture.name}"

    def add(self, picture: Picture) -> None:
        """Writes the objects of an image; see `Writer.add`."""
        file = self._files.get(picture.split)
        if file is None:
            name = f"instances_{picture.split}.json" if picture.split else "instances.json"
            file = self._files[picture.split] = _File(self.setup.folder / FOLDER / name)
        items = self.kept(picture)
        shapes = segmentations_of(items, size_hw=picture.size_hw)
        found = [
            annotation_of(item, shape, category_id=self._ids[item.title])
            for item, shape in zip(items, shapes, strict=True)
        ]
        for item, given in zip(items, file.add(picture, found, [item.source_id for item in items]), strict=True):
            if item.source_id is not None and str(item.source_id) != str(given):
                self.setup.losses.reduce(OTHER_ID, item.title)

    def finish(self) -> Sequence[str]:
        """Writes the images and categories, and closes the files; see `Writer.finish`."""
        categories = [
            {"supercategory": "", **facts, "id": self._ids[title], "name": title}
            for title, facts in self.setup.categories.items()
        ]
        for file in self._files.values():
            file.finish(categories, description=self.setup.name)
        return ()


def category_ids(categories: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Numbers the categories.

    Args:
        categories: further keys of each category by title.

    Returns:
        Title -> the category's own `id` where all have a different whole number above 0, else numbers from 1.
    """
    own = [facts.get("id") for facts in categories.values()]
    is_fit = len({*map(str, own)}) == len(own) and all(type(value) is int and value > 0 for value in own)
    return dict(zip(categories, own if is_fit else range(1, len(own) + 1), strict=True))  # type: ignore[arg-type]


def annotation_of(item: Instance, segmentation: Segmentation, *, category_id: int) -> dict[str, Any]:
    """Converts an object to an item of `annotations`, without ids.

    Args:
        item: the object.
        segmentation: from `segmentations_of`.
        category_id: of its class.
    """
    (y, x), (height, width) = item.origin, item.mask.shape
    return {
        "category_id": category_id,
        "bbox": [x, y, width, height],
        "area": int(item.mask.sum()),
        "iscrowd": int(item.is_crowd),
        "segmentation": segmentation,
        **({} if item.score is None else {"score": round(item.score, SCORE_DECIMALS)}),
        **({"attributes": attributes_of(item.tags)} if item.tags else {}),
        **({"description": item.description} if item.description else {}),
        **item.fields,
    }


def segmentations_of(items: Sequence[Instance], *, size_hw: tuple[int, int]) -> list[Segmentation]:
    """Converts masks to polygons, or to run lengths: crowds, objects with holes or with more than `MOST_PARTS` parts.

    Args:
        items: the objects of an image.
        size_hw: height and width of the image, pixels.

    Returns:
        For each x1, y1, x2, y2, … of each part, or `size` and `counts`.
    """
    traced = iter(outlines.trace_all([item.drawn for item in items if not item.is_crowd]))
    return [_segmentation(item, None if item.is_crowd else next(traced), size_hw=size_hw) for item in items]


def _segmentation(item: Instance, found: outlines.Outlines | None, *, size_hw: tuple[int, int]) -> Segmentation:
    if found and not found.holes and len(found.parts) <= MOST_PARTS:
        return [ring.ravel().tolist() for ring in found.parts]
    return masks.encode_crop(item.mask, item.origin, size=size_hw)


def _row(annotation: Mapping[str, Any]) -> str:
    """Writes an annotation in JSON; polygons, by far most of it, in a faster way."""
    shape = annotation["segmentation"]
    if not isinstance(shape, list):
        return json.dumps(annotation)
    rest = json.dumps({key: value for key, value in annotation.items() if key != "segmentation"})
    return f'{rest[:-1]}, "segmentation": [{", ".join(map(numerals.flat, shape))}]}}'


class _File:
    """One file; annotations are appended to it at once, images are kept as text until the end."""

    def __init__(self, path: Path):
        """Starts the file."""
        self._path = path
        self._images: list[str] = []
        self._used: set[int] = set()
        self._next = 1
        path.write_text('{"annotations": [', encoding="utf-8")

    def add(
        self, picture: Picture, annotations: Sequence[Mapping[str, Any]], wanted: Sequence[int | str | None]
    ) -> list[int]:
        """Writes an image's annotations.

        Args:
            picture: the image.
            annotations: from `annotation_of`.
            wanted: the id that each should have, used where it is free.

        Returns:
            The id of each.
        """
        image_id, (height, width) = len(self._images) + 1, picture.size_hw
        entry = {"id": image_id, "file_name": picture.name, "height": height, "width": width}
        self._images.append(
            json.dumps({**entry, **({"attributes": attributes_of(picture.tags)} if picture.tags else {})})
        )
        is_first = not self._used
        given = [self._id(value) for value in wanted]
        rows = [
            _row({"id": number, "image_id": image_id, **item}) for number, item in zip(given, annotations, strict=True)
        ]
        if rows:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(("\n" if is_first else ",\n") + ",\n".join(rows))
        return given

    def finish(self, categories: Sequence[Mapping[str, Any]], *, description: str) -> None:
        """Writes the images and the rest."""
        rest = json.dumps({"info": {"description": description}, "licenses": [], "categories": list(categories)})
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write('\n],\n"images": [\n' + ",\n".join(self._images) + f"\n],\n{rest[1:]}\n")

    def _id(self, wanted: int | str | None) -> int:
        """Chooses an unused id above 0: the wanted one where possible, else the next number."""
        text = str(wanted)
        number = int(text) if text.isdecimal() and text.isascii() and len(text) < LONGEST_ID else 0
        if number == 0 or number in self._used:
            while self._next in self._used:
                self._next += 1
            number = self._next
        self._used.add(number)
        return number
