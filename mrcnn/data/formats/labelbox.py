"""Reads Labelbox's NDJSON export: a line for each image, with polygons and boxes.

Masks are web addresses there that need the account's key; they are left out and counted, as nothing is read from the
network. Classifications of an object are tags. The metadata field `split` of a data row is its split.
Source: Labelbox's export of image annotations, version 2.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.data.formats.objects import NO_AREA, SOURCE_ID, UNKNOWN_SHAPE, Facts, ObjectList, box_ring
from mrcnn.data.formats.outlines import extent, numbers
from mrcnn.data.formats.pictures import Pictures, head_of
from mrcnn.data.formats.record import SPLIT_NAMES, Found, Job
from mrcnn.errors import UserError

WHAT = "Labelbox NDJSON (.ndjson or .jsonl)"
BAD_LINE = "its line is malformed"
BAD_OBJECT = "its entry is malformed"
OTHERS = "label not used, its image has several"
ADDRESS = "its mask is a web address; annotate polygons, or download the masks and use `convert masks`"
THIN = ("ImagePoint", "ImagePolyline")


def fits(path: Path) -> bool:
    """Checks whether a path is a file with a data row in its first line."""
    return path.suffix.lower() in (".ndjson", ".jsonl", ".json") and head_of(path).startswith(
        (b'{"data_row"', b'{ "data_row"')
    )


def read(job: Job) -> Iterator[Found]:
    """Yields the images of all lines."""
    pictures = Pictures(job, job.path.parent)
    for number, line in enumerate(files.read_bytes(job.path, what="annotation file").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{job.path.name} line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            job.report.lose_image(BAD_LINE, f"{where} ({error})")
            continue
        yield from _read_row(job, pictures, row=row, where=where)


def _read_row(job: Job, pictures: Pictures, *, row: Any, where: str) -> Iterator[Found]:
    data, media = _mapping(_mapping(row).get("data_row")), _mapping(_mapping(row).get("media_attributes"))
    if not data:
        job.report.lose_image(BAD_LINE, f"{where} (no `data_row`)")
        return
    picture = pictures.find(
        data.get("external_id"),
        data.get("row_data"),
        where=where,
        stated_hw=(media.get("height"), media.get("width")),
    )
    if picture is None:
        return
    projects = _mapping(row.get("projects")).values()
    labels = [label for project in projects for label in _list(_mapping(project).get("labels"))]
    if len(labels) > 1:
        job.report.tally.add(OTHERS, where, number=len(labels) - 1)
    found = _list(_mapping(_mapping(labels[0]).get("annotations")).get("objects")) if labels else []
    objects = ObjectList(job, where, picture.size_hw)
    for number, item in enumerate(found):
        _add(objects, number, item)
    yield from pictures.found(picture, job.path, objects=objects, split=_split(row))


def _split(row: Mapping[str, Any]) -> str | None:
    for item in map(_mapping, _list(row.get("metadata_fields"))):
        if str(item.get("schema_name", item.get("name"))).lower() == "split":
            value = item.get("value")
            name = value if isinstance(value, str) else _mapping(value).get("name", _mapping(value).get("schema_name"))
            return SPLIT_NAMES.get(str(name).lower())
    return None


def _add(objects: ObjectList, number: int, item: Any) -> None:
    content = _mapping(item)
    extra = {SOURCE_ID: content["feature_id"]} if isinstance(content.get("feature_id"), str) else {}
    facts = Facts(content.get("name"), number, _attributes(content), extra=extra)
    try:
        if "polygon" in content:
            points = [numbers(_mapping(point), "x", "y") for point in _list(content["polygon"])]
            objects.add_outline(facts, [[value for point in points for value in point]])
        elif "bounding_box" in content:
            box = _mapping(content["bounding_box"])
            (y, x), (height, width) = numbers(box, "top", "left"), extent(box, "height", "width")
            objects.add_box(facts, box_ring((x, y), (x + width, y + height)))
        elif "mask" in content or "composite_mask" in content:
            objects.lose(facts, ADDRESS)
        else:
            kind = content.get("annotation_kind")
            objects.lose(facts, NO_AREA if kind in THIN else UNKNOWN_SHAPE, str(kind))
    except UserError as error:
        objects.lose(facts, BAD_OBJECT, str(error))


def _attributes(content: Mapping[str, Any]) -> dict[str, Any]:
    """Collects the answers of an object's classifications by the name of the question."""
    found: dict[str, Any] = {}
    for item in map(_mapping, _list(content.get("classifications"))):
        name = item.get("name")
        answers = [item.get("radio_answer"), *_list(item.get("checklist_answers"))]
        texts = [answer["name"] for answer in map(_mapping, answers) if isinstance(answer.get("name"), str)]
        text = _mapping(item.get("text_answer")).get("content")
        if isinstance(name, str):
            found[name] = ", ".join(texts) or text
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
