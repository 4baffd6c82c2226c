"""Reads Pascal VOC: XML files with boxes or polygons, and PNG masks of objects.

The layout is VOC's (`Annotations`, `JPEGImages`, `SegmentationObject`, `SegmentationClass`, `ImageSets`), at any depth,
or XML files beside the images, as Roboflow and labelImg write them. An image with a mask gets its objects from it: a
pixel's value is the number of an object, 0 is background, 255 belongs to no object. The class is the value in
`SegmentationClass` that most of its pixels have; without that folder the class of the XML's object of that number.
Source: the VOC2012 development kit, sections 4 and 5; `labelmap.txt` names the classes in exports of CVAT.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from mrcnn import files
from mrcnn.data import index_masks
from mrcnn.data.formats.objects import Facts, ObjectList, box_ring
from mrcnn.data.formats.outlines import numbers
from mrcnn.data.formats.pictures import Picture, Pictures, beside, head_of, relative_to, walk
from mrcnn.data.formats.record import SPLIT_NAMES, Found, Job, split_of
from mrcnn.errors import UserError
from mrcnn.project import listing

WHAT = "Pascal VOC (a folder with Annotations or SegmentationObject, or XML files beside images)"
XML, OBJECTS, CLASSES = "Annotations", "SegmentationObject", "SegmentationClass"  # folders
IMAGES, SETS = "JPEGImages", "ImageSets"
TITLES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor"
).split()
VOID = 255
MOST_XML = 2**26  # bytes
BROKEN = "annotation file cannot be read"
BAD_OBJECT = "its entry is malformed"
BAD_MASK = "its mask cannot be used"
NO_CLASS = "its value has no class"
FLAGS = ("difficult", "truncated", "occluded")
_MOST_SNIFFED = 5


def fits(path: Path) -> bool:
    """Checks whether a path is a folder in VOC's layout, or one with such XML files."""
    if not path.is_dir():
        return False
    if any((folder / OBJECTS).is_dir() for folder in (path, *path.glob("*"), *path.glob("*/*"))):
        return True
    heads = map(head_of, _xml_files(path)[:_MOST_SNIFFED])
    return any(b"<annotation" in head and b"<object>" in head for head in heads)


def read(job: Job) -> Iterator[Found]:
    """Yields the images of all XML files and masks of a folder."""
    pictures = Pictures(job, job.path)
    entries: dict[Path, tuple[Path | None, Path | None]] = {}
    for file in walk(job.path, ".png"):
        if file.parent.name == OBJECTS:
            entries[file.parent.parent / file.stem] = (None, file)
    for file in _xml_files(job.path):
        root = file.parent.parent if file.parent.name == XML else file.parent
        entries[root / file.stem] = (file, entries.get(root / file.stem, (None, None))[1])
    splits = _splits(job.path)
    for key in sorted(entries):
        xml, mask = entries[key]
        split = splits.get(key) or split_of(relative_to(key, job.path).parts[:-1])
        yield from _read_image(job, pictures, key=key, xml=xml, mask=mask, split=split)


def _xml_files(folder: Path) -> list[Path]:
    return [path for path in walk(folder, ".xml") if SETS not in path.parts]


def _splits(root: Path) -> dict[Path, str]:
    """Reads the lists of `ImageSets`; those of segmentation take precedence."""
    found: dict[Path, str] = {}
    lists = [path for path in walk(root, ".txt") if path.parent.parent.name == SETS and path.stem in SPLIT_NAMES]
    for path in sorted(lists, key=lambda path: (path.parent.name != "Segmentation", path)):
        base = path.parent.parent.parent
        for line in files.read_bytes(path, what="list").decode("utf-8", "replace").splitlines():
            if line.strip():
                found.setdefault(base / line.split()[0], SPLIT_NAMES[path.stem])
    return found


def _read_image(
    job: Job, pictures: Pictures, *, key: Path, xml: Path | None, mask: Path | None, split: str | None
) -> Iterator[Found]:
    name = relative_to(key, job.path)
    try:
        entry = Element("annotation") if xml is None else _read_xml(xml)
    except UserError as error:
        job.report.lose_image(BROKEN, str(error))
        return
    listed = entry.findtext("filename")
    folders = (name.parent / IMAGES, name.parent / "images", name.parent)
    names = [beside(folder, listed) for folder in folders if listed]
    names += [(folder / key.name).as_posix() + end for folder in folders for end in sorted(listing.IMAGE_EXTENSIONS)]
    stated = entry.findtext("size/height"), entry.findtext("size/width")
    where = name.as_posix()
    picture = pictures.find(*names, where=where, stated_hw=None if mask else stated)
    if picture is None:
        return
    objects = ObjectList(job, where, picture.size_hw)
    if mask is None:
        for number, item in enumerate(entry.iter("object")):
            _add(objects, number, item)
    else:
        try:
            _add_masks(objects, entry, mask=mask, picture=picture)
        except UserError as error:
            job.report.lose_image(BAD_MASK, str(error))
            return
    yield from pictures.found(picture, xml or mask or key, objects=objects, split=split)


def _read_xml(path: Path) -> Element:
    try:
        return fromstring(files.read_bytes(path, what="annotation file", most=MOST_XML), forbid_dtd=True)
    except UserError:
        raise
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise UserError(f"{path} cannot be read as XML: {error}") from error


def _facts(number: int | str, item: Element) -> Facts:
    attributes: dict[str, object] = {flag: item.findtext(flag) == "1" for flag in FLAGS}
    pose = item.findtext("pose")
    attributes |= {"pose": pose} if pose and pose != "Unspecified" else {}
    attributes |= {part.findtext("name") or "": part.findtext("value") for part in item.iter("attribute")}
    return Facts((item.findtext("name") or "").strip(), number, attributes)


def _add(objects: ObjectList, number: int, item: Element) -> None:
    facts = _facts(number, item)
    try:
        ring = _ring(item.find("polygon"))
        if ring:
            objects.add_outline(facts, [ring])
            return
        box = item.find("bndbox")
        x1, y1, x2, y2 = numbers(_texts(box), "xmin", "ymin", "xmax", "ymax")
        objects.add_box(facts, box_ring((x1 - 1, y1 - 1), (x2, y2)))  # counted from 1, both ends included
    except UserError as error:
        objects.lose(facts, BAD_OBJECT, str(error))


def _ring(polygon: Element | None) -> list[float]:
    """Reads `<x1>`, `<y1>`, `<x2>`, … of Roboflow or the `<pt>` of older tools; empty without a polygon."""
    if polygon is None:
        return []
    points = polygon.findall("pt")
    if points:
        return [value for point in points for value in numbers(_texts(point), "x", "y")]
    count = sum(child.tag.startswith("x") for child in polygon)
    names = [f"{axis}{number}" for number in range(1, count + 1) for axis in "xy"]
    return numbers(_texts(polygon), *names)


def _texts(element: Element | None) -> Mapping[str, str]:
    return {} if element is None else {child.tag: child.text or "" for child in element}


def _add_masks(objects: ObjectList, entry: Element, *, mask: Path, picture: Picture) -> None:
    indices = _read_mask(mask, picture)
    folder = mask.parent.parent / CLASSES
    class_path = folder / mask.name
    classes = _read_mask(class_path, picture) if class_path.is_file() else None
    titles = _titles(mask.parent.parent)
    listed = list(entry.iter("object"))
    for value, _, bitmap in index_masks.object_bitmaps(np.where(indices == VOID, 0, indices)):
        own = _facts(value, listed[value - 1]) if value <= len(listed) else Facts(None, value)
        pixels, (x, y) = bitmap.mask, bitmap.origin_xy
        if classes is not None:
            inside = classes[y : y + pixels.shape[0], x : x + pixels.shape[1]][pixels]
            found = int(np.bincount(inside.astype(np.int64)).argmax())
            title = titles.get(found)
            same = own if title == own.title else Facts(title, value)
            if title is None:
                objects.lose(same, NO_CLASS, f"{found} in {CLASSES}")
                continue
            own = same
        objects.add_mask(own, pixels, (x, y))


def _read_mask(path: Path, picture: Picture) -> np.ndarray:
    indices = index_masks.read_indices(path)
    index_masks.check_size(path, indices.shape, [picture.size_hw])
    return indices


def _titles(root: Path) -> dict[int, str]:
    """Reads the class of each value: VOC's, or the lines of `labelmap.txt`; the background has none."""
    path, names = root / "labelmap.txt", TITLES
    if path.is_file():
        lines = files.read_bytes(path, what="list of classes", most=MOST_XML).decode("utf-8", "replace").splitlines()
        names = [line.split(":")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
    return {value: name for value, name in enumerate(names) if value and name}
