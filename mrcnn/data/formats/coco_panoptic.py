"""Reads COCO panoptic JSON, whose segments are the colours of PNG files in the folder of the same name.

A pixel's segment id is R + 256 G + 65536 B; 0 belongs to no segment. Segments of things and of stuff become objects
alike; `special_classes.stuff` of a training names the classes that are stuff.
Source: COCO data format (cocodataset.org), panoptic segmentation.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.data import index_masks
from mrcnn.data.formats.objects import Facts, ObjectList
from mrcnn.data.formats.pictures import Pictures, read_json
from mrcnn.data.formats.record import Found, Job
from mrcnn.errors import UserError
from mrcnn.images import image_file

WHAT = "COCO panoptic JSON, with a folder of PNG files of the same name beside it"
LISTS = ("images", "annotations", "categories")
IS_THING = "isthing"  # fact of a class: 1 for things, 0 for stuff
RED, GREEN, BLUE = 1, 256, 65536  # weights of the channels in an id
BAD_MASK = "its PNG file cannot be used"
BAD_ANNOTATION = "its annotation is malformed"
NO_CATEGORY = "its category is not in `categories`"
NO_SEGMENT = "segment left out, its id is not in `segments_info`"
NO_PIXEL = "its id is nowhere in the PNG file"


def fits(path: Path) -> bool:
    """Checks whether a path is a JSON file with a folder of the same name, without its suffix, that holds PNG files."""
    folder = path.with_suffix("")
    return path.suffix.lower() == ".json" and folder.is_dir() and next(folder.rglob("*.png"), None) is not None


def read(job: Job) -> Iterator[Found]:
    """Yields the annotated images.

    Raises:
        UserError: the file is no COCO panoptic JSON.
    """
    images, annotations, categories = _lists(job.path)
    named = [item for item in categories if _whole(item.get("id")) is not None and isinstance(item.get("name"), str)]
    titles = {item["id"]: item["name"] for item in named}
    job.report.declare(titles.values())
    job.report.class_facts = {
        item["name"]: {"id": item["id"], IS_THING: item[IS_THING]} for item in named if IS_THING in item
    }
    by_id = {_whole(item.get("id")): item for item in images}
    pictures = Pictures(job, job.path.parent)
    for annotation in annotations:
        number = _whole(annotation.get("image_id"))
        where = f"{job.path.name} image {number}"
        if number is None or number not in by_id or not isinstance(annotation.get("segments_info"), list):
            job.report.lose_image(BAD_ANNOTATION, where)
            continue
        image = by_id[number]
        size = image.get("height"), image.get("width")
        picture = pictures.find(image.get("file_name"), where=where, stated_hw=size)
        if picture is not None:
            file = _png(job.path.with_suffix(""), str(annotation.get("file_name")))
            objects = ObjectList(job, file.name, picture.size_hw)
            try:
                ids = read_ids(file)
                index_masks.check_size(file, ids.shape, [picture.size_hw])
                strange = _add(objects, ids, annotation["segments_info"], titles=titles)
            except UserError as error:
                job.report.lose_image(BAD_MASK, str(error))
                continue
            for value in strange:
                job.report.tally.add(NO_SEGMENT, f"{file.name} id {value}")
            yield from pictures.found(picture, file, objects=objects)


def read_ids(path: Path) -> np.ndarray:
    """Reads the segment id of each pixel.

    Returns:
        `[H, W]` int64, 0 where there is no segment.

    Raises:
        UserError: the file cannot be read, or has not three channels of 8 bits.
    """
    samples = image_file.decode(image_file.read_bytes(path), name=str(path))
    if samples.dtype != np.uint8 or samples.shape[2] != 3:
        raise UserError(f"{path} must have three channels of 8 bits, got {samples.shape[2]} of {samples.dtype}")
    return samples.astype(np.int64) @ np.array([BLUE, GREEN, RED])  # OpenCV's order


def _lists(path: Path) -> tuple[list[dict[str, Any]], ...]:
    content = read_json(path)
    for name in LISTS:
        items = content.get(name) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise UserError(f"{path} is no COCO panoptic JSON: `{name}` must be a list of objects")
    return tuple(content[name] for name in LISTS)


def _add(objects: ObjectList, ids: np.ndarray, segments: list[Any], *, titles: Mapping[int, str]) -> list[int]:
    """Adds the segments of an image; returns the ids that none of them has."""
    bitmaps = {value: bitmap for value, _, bitmap in index_masks.object_bitmaps(ids)}
    for segment in (item for item in segments if isinstance(item, dict)):
        number, category = _whole(segment.get("id")), _whole(segment.get("category_id"))
        title = None if category is None else titles.get(category)
        bitmap = None if number is None else bitmaps.pop(number, None)
        facts = Facts(title, f"{segment.get('id')!r:.80}", is_crowd=segment.get("iscrowd") == 1)
        if title is None:
            objects.lose(facts, NO_CATEGORY)
        elif bitmap is None:
            objects.lose(facts, NO_PIXEL)
        else:
            objects.add_mask(facts, bitmap.mask, bitmap.origin_xy)
    return sorted(bitmaps)


def _png(folder: Path, name: str) -> Path:
    """Finds a PNG file by its name; nothing outside the folder."""
    file = folder / name
    return file if file.resolve().is_relative_to(folder.resolve()) else folder / Path(name).name


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
