"""Recognizes other annotation formats by their characteristic keys, for the error message."""

from collections.abc import Callable, Mapping
from typing import Any

ADVICE = {
    "a COCO panoptic file": "its masks lie in PNG files; convert it to instances first (panopticapi does)",
    "a COCO captions file": "use the instances file of the same images",
    "a COCO results list": "it holds detections; name the annotation file that they were made for",
    "a list of images without annotations": "annotate the images, or name the file that holds the annotations",
}
EXPORT = (
    "export the annotations as COCO instance segmentation, or read the file by --data or `mrcnn convert` if "
    "docs/data.md lists its format"
)

_MARKUP = {b"<": "an XML file (Pascal VOC or CVAT)", b"PK": "a ZIP archive", b"\x1f\x8b": "a gzip archive"}
_YOLO = (b"names:", b"nc:", b"train:")  # at the start of a line


def kind_of(content: Any) -> str | None:
    """Recognizes the format of parsed JSON; None where it is unknown."""
    if isinstance(content, list):
        items = [item for item in content[:20] if isinstance(item, Mapping)]
        return next((kind for kind, test in _LISTS.items() if items and test(items[0])), None)
    if not isinstance(content, Mapping):
        return None
    return next((kind for kind, test in _OBJECTS.items() if test(content)), None)


def kind_of_bytes(data: bytes) -> str | None:
    """Recognizes the format of a file that is no JSON; None where it is unknown."""
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, kind in _MARKUP.items():
        if start.startswith(mark):
            return kind
    lines = start.splitlines()
    if any(line.startswith(_YOLO) for line in lines):
        return "a YOLO data set description"
    if lines and _is_yolo_label(lines[0]):
        return "a YOLO label file"
    if start.startswith(b"{") and sum(line.startswith(b"{") for line in lines) > 1:
        return "a list of JSON lines"
    return None


def advice_for(kind: str) -> str:
    """Finds the advice for a file of that format."""
    return ADVICE.get(kind, EXPORT)


def _is_yolo_label(line: bytes) -> bool:
    try:
        return len([float(word) for word in line.split()]) >= 5
    except ValueError:
        return False


def _annotations_have(key: str, *, without: str = "segmentation") -> Callable[[Mapping[str, Any]], bool]:
    def test(content: Mapping[str, Any]) -> bool:
        items = content.get("annotations")
        first = items[0] if isinstance(items, list) and items else None
        return isinstance(first, Mapping) and key in first and without not in first

    return test


def _is_via(content: Mapping[str, Any]) -> bool:
    first = next(iter(content.values()), None)
    return any(key.startswith("_via_") for key in content) or (
        isinstance(first, Mapping) and {"filename", "regions"} <= first.keys()
    )


_LISTS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "a COCO results list": lambda item: {"image_id", "category_id"} <= item.keys(),
    "a Label Studio export": lambda item: "data" in item and bool({"annotations", "completions"} & item.keys()),
    "a CreateML file": lambda item: "image" in item and "annotations" in item,
    "a BDD100K or Scalabel file": lambda item: "name" in item and "labels" in item,
}
_OBJECTS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "a VIA (VGG Image Annotator) project": _is_via,
    "a labelme file": lambda content: "shapes" in content and bool({"imagePath", "flags"} & content.keys()),
    "a COCO panoptic file": _annotations_have("segments_info"),
    "a COCO captions file": _annotations_have("caption"),
    "a list of images without annotations": lambda content: "images" in content and "annotations" not in content,
    "a Supervisely annotation": lambda content: "objects" in content and "size" in content,
    "a Supervisely project's meta.json": lambda content: "classes" in content and "tags" in content,
    "a Datumaro file": lambda content: "items" in content and "categories" in content,
    "a GeoJSON file": lambda content: content.get("type") == "FeatureCollection",
}
