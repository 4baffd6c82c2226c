"""Reads projects and exports of the VGG Image Annotator (VIA) 1 and 2, JSON and CSV.

VIA has attributes of regions instead of classes. The class is the value of one attribute, chosen by `class_attribute`;
the choice is reported, the other attributes become tags. Without any attribute all objects have one class, `object`.
Images lie beside the file. If the path is a folder, the VIA files in it and in its subfolders, such as `train` and
`val`, are read.
Source: VIA's user guide and code (via.js 1.0.6 and 2.0.12): `regions` is a mapping in version 1 and a list in 2.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.data.formats.objects import NO_AREA, UNKNOWN_SHAPE, Facts, ObjectList, box_ring, ellipse_ring, tags_of
from mrcnn.data.formats.outlines import extent, number, numbers
from mrcnn.data.formats.pictures import Pictures, beside, head_of, read_json, relative_to, walk
from mrcnn.data.formats.record import Found, Job, split_of
from mrcnn.errors import UserError

WHAT = "VIA (VGG Image Annotator) JSON or CSV, or a folder with some"
ONE_CLASS = "object"  # title where regions have no attribute
CLASS_NAMES = ("class", "label", "name", "category", "type", "object", "class_name", "classname", "object_name")
BROKEN = "annotation file cannot be read"
BAD_ENTRY = "its entry is malformed"
BAD_REGION = "its region is malformed"
SEVERAL_CLASSES = "several classes"
CHOSEN = "region attribute is the class of the objects"
NO_ATTRIBUTE = f"file without region attributes, all objects are of one class, {ONE_CLASS!r}"
_CSV_HEAD = (b"#filename,", b"filename,file_size,")


def fits(path: Path) -> bool:
    """Checks whether a path is a VIA file, or a folder with one in it or in its folders."""
    if path.is_dir():
        return any(map(_is_via, [*path.glob("*.json"), *path.glob("*/*.json"), *path.glob("*.csv")]))
    return _is_via(path)


def read(job: Job) -> Iterator[Found]:
    """Yields the images of a file, or of all VIA files of a folder."""
    root = job.path if job.path.is_dir() else job.path.parent
    contents: dict[Path, tuple[list[Any], Mapping[str, Any]]] = {}
    for file in [path for path in walk(root, ".json", ".csv") if _is_via(path)] if job.path.is_dir() else [job.path]:
        try:
            contents[file] = _read_csv(file) if file.suffix.lower() == ".csv" else _read_json(file)
        except UserError as error:
            job.report.lose_image(BROKEN, str(error))
    entries = [entry for found, _ in contents.values() for entry in found]
    chosen = class_attribute(entries, [declared for _, declared in contents.values()])
    job.report.tally.add(f"{CHOSEN}" if chosen else NO_ATTRIBUTE, repr(chosen) if chosen else job.path.name)
    pictures = Pictures(job, root)
    for file, (found, _) in contents.items():
        for entry in found:
            yield from _read_image(job, pictures, file=file, entry=entry, chosen=chosen)


def class_attribute(entries: list[Any], declared: list[Mapping[str, Any]]) -> str | None:
    """Chooses the region attribute whose values are the classes.

    Args:
        entries: of the images.
        declared: for each file its region attributes by name, as in `_via_attributes`.

    Returns:
        The only attribute; else the first of `CLASS_NAMES`; else one whose values are chosen from a list; else the most
        frequent one. None without attributes.
    """
    used: Counter[str] = Counter()
    for entry in entries:
        for region in _regions(entry):
            attributes = region.get("region_attributes") if isinstance(region, Mapping) else None
            used.update(attributes.keys() if isinstance(attributes, Mapping) else ())
    names = [name for name in used if name]
    by_lower = {name.lower(): name for name in reversed(names)}
    listed = [name for kinds in declared for name, kind in kinds.items() if name in used and _has_options(kind)]
    known = [by_lower[name] for name in CLASS_NAMES if name in by_lower]
    return next(iter([*known, *listed, *sorted(names, key=lambda name: -used[name])]), None)


def _has_options(kind: Any) -> bool:
    return isinstance(kind, Mapping) and kind.get("type") in ("dropdown", "radio", "checkbox")


def _is_via(path: Path) -> bool:
    head = head_of(path)
    if path.suffix.lower() == ".csv":
        return head.startswith(_CSV_HEAD) and b"region_shape_attributes" in head
    is_json = path.suffix.lower() == ".json" and head.startswith(b"{")
    return is_json and (b'"_via_' in head or (b'"regions"' in head and b'"filename"' in head))


def _read_json(path: Path) -> tuple[list[Any], Mapping[str, Any]]:
    content = read_json(path)
    images = content.get("_via_img_metadata", content) if isinstance(content, Mapping) else None
    if not isinstance(images, Mapping):
        raise UserError(f"{path} is no VIA file: it needs an object for each image, got {images!r:.80}")
    declared = content.get("_via_attributes")
    region = declared.get("region") if isinstance(declared, Mapping) else None
    return list(images.values()), region if isinstance(region, Mapping) else {}


def _read_csv(path: Path) -> tuple[list[Any], Mapping[str, Any]]:
    """Reads a CSV export, a row for each region, to the form of the JSON."""
    text = files.read_bytes(path, what="annotation file").decode("utf-8-sig", "replace")
    entries: dict[str, dict[str, Any]] = {}
    try:
        for row in csv.DictReader(io.StringIO(text.lstrip("#"))):
            key = f"{row.get('filename')}{row.get('file_size')}"
            attributes = _cell(row.get("file_attributes"))
            entry = entries.setdefault(
                key, {"filename": row.get("filename"), "file_attributes": attributes, "regions": []}
            )
            if row.get("region_count") != "0":
                entry["regions"].append(
                    {name: _cell(row.get(f"region_{name}")) for name in ("shape_attributes",)}
                    | {"region_attributes": _cell(row.get("region_attributes"))}
                )
    except csv.Error as error:
        raise UserError(f"{path} is not valid CSV: {error}") from error
    return list(entries.values()), {}


def _cell(text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text


def _regions(entry: Any) -> list[Any]:
    regions = entry.get("regions") if isinstance(entry, Mapping) else None
    if isinstance(regions, Mapping):
        return list(regions.values())
    return regions if isinstance(regions, list) else []


def _read_image(job: Job, pictures: Pictures, *, file: Path, entry: Any, chosen: str | None) -> Iterator[Found]:
    name = entry.get("filename") if isinstance(entry, Mapping) else None
    if not isinstance(name, str):
        job.report.lose_image(BAD_ENTRY, f"{file.name}: {entry!r:.80}")
        return
    folder = relative_to(file, pictures.root).parent
    picture = pictures.find(beside(folder, name), name, where=file.name)
    if picture is None:
        return
    objects = ObjectList(job, f"{file.name} image {name}", picture.size_hw)
    for index, region in enumerate(_regions(entry)):
        _add(objects, index, region, chosen=chosen)
    attributes = entry.get("file_attributes")
    tags = tags_of(attributes) if isinstance(attributes, Mapping) else ()
    parts = relative_to(picture.path, pictures.root).parts[:-1]
    yield from pictures.found(picture, file, objects=objects, tags=tags, split=split_of(parts))


def _add(objects: ObjectList, index: int, region: Any, *, chosen: str | None) -> None:
    shape = region.get("shape_attributes") if isinstance(region, Mapping) else None
    if not isinstance(shape, Mapping):
        objects.lose(Facts(None, index), BAD_REGION, f"it is {region!r:.80}")
        return
    attributes = region.get("region_attributes")
    attributes = dict(attributes) if isinstance(attributes, Mapping) else {}
    title = ONE_CLASS if chosen is None else attributes.pop(chosen, None)
    if isinstance(title, Mapping):  # of a checkbox, the values that are set
        ticked = [name for name, value in title.items() if value]
        title = ticked[0] if len(ticked) == 1 else None
        if len(ticked) > 1:
            objects.lose(Facts(None, index), SEVERAL_CLASSES, ", ".join(ticked))
            return
    facts = Facts(title.strip() if isinstance(title, str) else title, index, _flat(attributes))
    kind = str(shape.get("name"))
    try:
        if kind in _DRAW:
            _DRAW[kind](objects, facts, shape)
        else:
            objects.lose(facts, NO_AREA if kind in ("polyline", "point") else UNKNOWN_SHAPE, kind)
    except UserError as error:
        objects.lose(facts, BAD_REGION, str(error))


def _flat(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Converts the values of checkboxes to text."""
    return {
        name: ", ".join(option for option, ticked in value.items() if ticked) if isinstance(value, Mapping) else value
        for name, value in attributes.items()
    }


def _add_polygon(objects: ObjectList, facts: Facts, shape: Mapping[str, Any]) -> None:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        raise UserError("`all_points_x` and `all_points_y` must be lists of one length")
    objects.add_outline(facts, [[value for point in zip(xs, ys, strict=True) for value in point]])


def _add_rect(objects: ObjectList, facts: Facts, shape: Mapping[str, Any]) -> None:
    (x, y), (width, height) = numbers(shape, "x", "y"), extent(shape, "width", "height")
    objects.add_box(facts, box_ring((x, y), (x + width, y + height)))


def _add_circle(objects: ObjectList, facts: Facts, shape: Mapping[str, Any]) -> None:
    (x, y), (radius, _) = numbers(shape, "cx", "cy"), extent(shape, "r", "r")
    objects.add_outline(facts, [ellipse_ring(x, y, radius_x=radius, radius_y=radius)])


def _add_ellipse(objects: ObjectList, facts: Facts, shape: Mapping[str, Any]) -> None:
    (x, y), (radius_x, radius_y) = numbers(shape, "cx", "cy"), extent(shape, "rx", "ry")
    degrees = math.degrees(number(shape, "theta"))
    objects.add_outline(facts, [ellipse_ring(x, y, radius_x=radius_x, radius_y=radius_y, degrees=degrees)])


_DRAW: dict[str, Callable[[ObjectList, Facts, Mapping[str, Any]], None]] = {
    "polygon": _add_polygon,
    "rect": _add_rect,
    "circle": _add_circle,
    "ellipse": _add_ellipse,
}
