"""Reads Label Studio's JSON export: polygons, brush masks, ellipses and boxes.

Of several annotations of a task the one marked as ground truth is read, else the last one that was not cancelled.
Choices, texts and ratings of a region are tags. Predictions are not read.
Source: Label Studio's JSON export and its converter; coordinates are percents of the image.
"""

import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mrcnn.data.coco import masks
from mrcnn.data.formats import label_studio_rle
from mrcnn.data.formats.objects import (
    NO_AREA,
    SOURCE_ID,
    UNKNOWN_SHAPE,
    Facts,
    ObjectList,
    ellipse_ring,
    turned_box,
)
from mrcnn.data.formats.outlines import extent, number, numbers
from mrcnn.data.formats.pictures import Picture, Pictures, head_of, read_json, whole_size
from mrcnn.data.formats.record import Found, Job
from mrcnn.errors import UserError
from mrcnn.project import listing
from mrcnn.project.shape import read_points

WHAT = "Label Studio JSON (the full export, not JSON-MIN)"
BAD_TASK = "its task is malformed"
BAD_VALUE = "its region is malformed"
SKIPPED = "its task has no annotation"
OTHERS = "annotation not used, its task has several"
TURNED = "its image was turned in Label Studio"
OTHER_SIZE = "it was drawn on an image of another size"
SEVERAL = "object with several labels, the first is its class"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # put before the names of uploaded files

Size = tuple[int, int]


def fits(path: Path) -> bool:
    """Checks whether a path is a JSON list of tasks with results."""
    head = head_of(path) if path.suffix.lower() == ".json" else b""
    return head.startswith(b"[") and b'"result"' in head and (b'"annotations"' in head or b'"completions"' in head)


def read(job: Job) -> Iterator[Found]:
    """Yields the images of the tasks.

    Raises:
        UserError: the file is no JSON list.
    """
    content = read_json(job.path)
    if not isinstance(content, list):
        raise UserError(f"{job.path} must be a list of tasks, got {type(content).__name__}")
    pictures = Pictures(job, job.path.parent)
    for number_, task in enumerate(content):
        where = f"{job.path.name} task {task.get('id', number_) if isinstance(task, Mapping) else number_}"
        yield from _read_task(job, pictures, task=task, where=where)


def file_names(task: Mapping[str, Any]) -> list[str]:
    """Lists the names that a task's image may have on disk, the likeliest first."""
    data = task.get("data")
    values = list(data.values()) if isinstance(data, Mapping) else []
    names = [value for value in [*values, task.get("file_upload")] if isinstance(value, str)]
    found: list[str] = []
    for name in names:
        address = urllib.parse.urlsplit(name)
        local = urllib.parse.parse_qs(address.query).get("d", [])  # /data/local-files/?d=folder/a.jpg
        for path in [*local, urllib.parse.unquote(address.path)]:
            if listing.is_image(Path(path)):
                stem = Path(path).name
                found += [path, stem, _UPLOADED.sub("", stem)]
    return list(dict.fromkeys(found))


def _read_task(job: Job, pictures: Pictures, *, task: Any, where: str) -> Iterator[Found]:
    if not isinstance(task, Mapping):
        job.report.lose_image(BAD_TASK, f"{where} ({task!r:.80})")
        return
    found = task.get("annotations", task.get("completions"))
    listed = found if isinstance(found, list) else []
    usable = [item for item in listed if isinstance(item, Mapping) and not item.get("was_cancelled")]
    if not usable:
        job.report.lose_image(SKIPPED, where)
        return
    chosen = next((item for item in usable if item.get("ground_truth")), usable[-1])
    if len(usable) > 1:
        job.report.tally.add(OTHERS, where, number=len(usable) - 1)
    results = chosen.get("result")
    regions = [item for item in results if isinstance(item, Mapping)] if isinstance(results, list) else []
    stated = [whole_size((item.get("original_height"), item.get("original_width"))) for item in regions]
    picture = pictures.find(*file_names(task), where=where, stated_hw=next(filter(None, stated), None))
    if picture is None:
        return
    objects = ObjectList(job, where, picture.size_hw)
    for index, region in enumerate(regions):
        if _kind(region) is not None:
            _add(objects, picture=picture, index=index, region=region, others=regions)
    yield from pictures.found(picture, job.path, objects=objects)


def _kind(region: Mapping[str, Any]) -> str | None:
    """Finds the shape of a result, such as "polygon" for `polygonlabels`; None for what is no shape."""
    kind = str(region.get("type", "")).removesuffix("labels")
    return kind if kind in _DRAW or kind in ("keypoint", "vector", "bitmask") else None


def _add(objects: ObjectList, *, picture: Picture, index: int, region: Mapping[str, Any], others: list[Any]) -> None:
    value, kind = region.get("value"), _kind(region)
    value = value if isinstance(value, Mapping) else {}
    own = region.get("id")
    bound = [item for item in others if own is not None and item is not region and item.get("id") == own]
    titles = _labels(value) or [title for item in bound for title in _labels(_mapping(item.get("value")))]
    extra = {SOURCE_ID: own} if isinstance(own, str) else {}
    facts = Facts(titles[0] if titles else None, index, _attributes(bound), extra=extra)
    if len(titles) > 1:
        objects.note(facts, SEVERAL, ", ".join(map(str, titles)))
    size = whole_size((region.get("original_height"), region.get("original_width"))) or picture.size_hw
    try:
        if region.get("image_rotation"):
            objects.lose(facts, TURNED)
        elif size != picture.size_hw:
            objects.lose(facts, OTHER_SIZE, f"{size[0]}x{size[1]}")
        elif kind in _DRAW:
            _DRAW[kind](objects, facts, value=value, size=size)
        else:
            objects.lose(facts, NO_AREA if kind != "bitmask" else UNKNOWN_SHAPE, str(kind))
    except UserError as error:
        objects.lose(facts, BAD_VALUE, str(error))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _labels(value: Mapping[str, Any]) -> list[Any]:
    """Lists the labels of a value; its key is the type of the result, such as `polygonlabels`."""
    return next((items for key, items in value.items() if key.endswith("labels") and isinstance(items, list)), [])


def _attributes(bound: list[Any]) -> dict[str, Any]:
    """Collects choices, texts, numbers and ratings of a region by the name of their labeling tag."""
    found = {}
    for item in bound:
        value = _mapping(item.get("value"))
        for key in ("choices", "text", "rating", "number"):
            if key in value and isinstance(item.get("from_name"), str):
                content = value[key]
                found[item["from_name"]] = ", ".join(map(str, content)) if isinstance(content, list) else content
    return found


def _add_polygon(objects: ObjectList, facts: Facts, *, value: Mapping[str, Any], size: Size) -> None:
    points = read_points(value.get("points"), what="points")
    height, width = size
    objects.add_outline(facts, [(points * (width / 100, height / 100)).ravel().tolist()])


def _add_brush(objects: ObjectList, facts: Facts, *, value: Mapping[str, Any], size: Size) -> None:
    rle = value.get("rle")
    if not rle:
        objects.lose(facts, masks.NO_MASK)
        return
    if size[0] * size[1] > masks.MOST_PIXELS:
        raise UserError(f"its image has {size[0]} x {size[1]} pixels, more than {masks.MOST_PIXELS}")
    try:
        data = bytes(rle if isinstance(rle, list) else [rle])
    except (TypeError, ValueError) as error:
        raise UserError(f"`rle` must be a list of bytes: {error}") from error
    objects.add_mask(facts, label_studio_rle.decode(data, height=size[0], width=size[1]))


def _add_ellipse(objects: ObjectList, facts: Facts, *, value: Mapping[str, Any], size: Size) -> None:
    (x, y), (radius_x, radius_y) = numbers(value, "x", "y"), extent(value, "radiusX", "radiusY")
    height, width = size[0] / 100, size[1] / 100
    degrees = number(value, "rotation")
    ring = ellipse_ring(x * width, y * height, radius_x=radius_x * width, radius_y=radius_y * height, degrees=degrees)
    objects.add_outline(facts, [ring])


def _add_box(objects: ObjectList, facts: Facts, *, value: Mapping[str, Any], size: Size) -> None:
    (x, y), sides = numbers(value, "x", "y"), extent(value, "width", "height")
    height, width = size[0] / 100, size[1] / 100
    degrees = number(value, "rotation")
    ring = turned_box(
        x * width, y * height, width=sides[0] * width, height=sides[1] * height, degrees=degrees, about_centre=False
    )
    objects.add_box(facts, ring)


_DRAW: dict[str | None, Callable[..., None]] = {
    "polygon": _add_polygon,
    "brush": _add_brush,
    "ellipse": _add_ellipse,
    "rectangle": _add_box,
}
