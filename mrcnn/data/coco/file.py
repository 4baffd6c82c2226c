"""Reads a COCO instance annotation file in the variants that exporters write.

Unusual but unambiguous content is read, with one line of warning. A broken object, image or category is left out
without affecting the others; it is counted by reason, and the first few are named. For a file of another format, the
error names the format. Masks are drawn later.
Source: COCO data format (cocodataset.org); LVIS, whose images have a `coco_url` and no `file_name`.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.config.model import MASK_POINTS
from mrcnn.data.coco import annotations as coco_annotations
from mrcnn.data.coco import boxes, masks
from mrcnn.data.coco import categories as coco_categories
from mrcnn.data.coco import kinds as coco_kinds
from mrcnn.data.coco.annotations import LOST_OBJECTS, CocoObject
from mrcnn.data.coco.categories import id_text
from mrcnn.data.coco.images import ImageFolder
from mrcnn.data.tally import Tally, short
from mrcnn.errors import UserError
from mrcnn.fields.table import Fields, of_category
from mrcnn.images import image_file
from mrcnn.project import listing

# keys of an image that COCO or a project's annotation file defines; the others are its facts
IMAGE_KEYS = frozenset(
    "id file_name height width license flickr_url coco_url date_captured size objects tags description".split()
)
LISTS = ("images", "annotations", "categories")

BROKEN_IMAGE = "image left out, no `id` or no `file_name`"
SHARED_ID = (
    "image left out, since several images have one `id` and their objects cannot be told apart; give each image its "
    "own `id`"
)
MISSING = "image left out, file not found"
UNKNOWN_TYPE = "image left out, the project format does not allow this file type"
UNREADABLE = "image left out, the file gives no `height` and `width` and the image cannot be read"
AMBIGUOUS = "image left out, without folders its name is also that of another image"
LOST_IMAGES = (BROKEN_IMAGE, SHARED_ID, MISSING, UNKNOWN_TYPE, UNREADABLE, AMBIGUOUS)
OTHER_NAME = "image found under another name than the file gives"
LISTED_TWICE = "image listed under several ids, whose objects are joined"
OTHER_SIZE = "image of another size than the file says (height x width); training skips such images"
SIZE_ASKED = "image without a usable `height` and `width`, read from the image itself"

_INSTEAD_OF_MASKS = {"bbox": "boxes", "keypoints": "keypoints"}


@dataclass(frozen=True)
class CocoImage:
    """One image and its objects.

    Attributes:
        name: its path inside the folder of images.
        path: of its file.
        height: pixels.
        width: pixels.
        objects: in the order of the file.
        facts: values of its keys that COCO does not define, such as LVIS's `neg_category_ids`, by key.
    """

    name: str
    path: Path
    height: int
    width: int
    objects: tuple[CocoObject, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CocoDataset:
    """The usable contents of an annotation file.

    Attributes:
        path: of the file.
        categories: their names, sorted by id.
        images: sorted by name.
        warnings: one line for each reason why something was left out or read in an unusual way.
        lost: number of objects left out.
        lost_images: number of images left out.
        category_facts: by name of the category, the values of its other keys.
        fields: by name of the category, the extra fields of its objects.
    """

    path: Path
    categories: tuple[str, ...]
    images: tuple[CocoImage, ...]
    warnings: tuple[str, ...]
    lost: int
    lost_images: int
    category_facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, Fields] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    """An item of `images`.

    Attributes:
        key: its id as text.
        file_name: as in the annotation file.
        size_hw: height and width, pixels; None where they are missing or impossible.
        facts: as in `CocoImage`.
    """

    key: str
    file_name: str
    size_hw: tuple[int, int] | None
    facts: Mapping[str, Any]


def read_coco(
    annotations: Path, images_dir: Path, *, fields: Collection[str] | None = None, boxes_as_masks: bool = False
) -> CocoDataset:
    """Reads an instance annotation file.

    Args:
        annotations: the file.
        images_dir: the folder that holds its images; nothing outside it is read.
        fields: names of the extra fields to read; None for all known ones.
        boxes_as_masks: whether the box of an object without a mask is its mask.

    Returns:
        The contents. If `mask_points` is read and an object of the file has labelled points, objects without masks
        are there too, as boxes.

    Raises:
        UserError: the file cannot be read or has another format, no image can be used, no object has a mask, or the
            categories are ambiguous.
    """
    content = _read(annotations)
    require_folder(images_dir, annotations)
    if boxes_as_masks:
        content["annotations"] = boxes.as_masks(content["annotations"])
    boxes_count = (fields is None or MASK_POINTS in fields) and boxes.have_points(content["annotations"])
    if not boxes_count:
        _require_masks(content["annotations"], annotations)
    tally = Tally()
    ids = (id_text(item.get("category_id")) for item in content["annotations"] if isinstance(item, Mapping))
    try:
        categories = coco_categories.read_categories(content["categories"], Counter(filter(None, ids)), tally)
    except UserError as error:
        raise UserError(f"{annotations}: {error}") from error
    files_of = _by_file(_entries(content["images"], tally), ImageFolder(images_dir), tally)
    sizes = {name: size for name, group in files_of.items() if (size := _size_of(group, images_dir / name, tally))}
    _require_images(sizes, images_dir, annotations, tally=tally)
    names = {entry.key: name for name in sizes for entry in files_of[name]}
    facts = coco_categories.facts_of(content["categories"], categories)
    bound = {title: of_category(fields, facts[title]) for title in categories.values()}
    objects = coco_annotations.read(
        content, categories, names=names, fields=bound, boxes_count=boxes_count, tally=tally
    )
    images = [
        CocoImage(name, images_dir / name, *sizes[name], tuple(objects[name]), _facts(files_of[name]))
        for name in sorted(sizes)
    ]
    lost, lost_images = (sum(tally.counts[reason] for reason in reasons) for reasons in (LOST_OBJECTS, LOST_IMAGES))
    usable = annotations, tuple(categories.values()), tuple(images), tuple(tally.lines())
    return CocoDataset(*usable, lost=lost, lost_images=lost_images, category_facts=facts, fields=bound)


def list_images(annotations: Path, images_dir: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reads only the list of images of a COCO file, which needs neither annotations nor categories.

    Args:
        annotations: the file.
        images_dir: the folder that holds its images; nothing outside it is read.

    Returns:
        The images' paths inside the folder, sorted, and the warnings as in `CocoDataset`.

    Raises:
        UserError: the file cannot be read or has no such list, or none of its images can be used.
    """
    content = _read_json(annotations)
    listed = content.get("images") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        kind = coco_kinds.kind_of(content)
        raise UserError(f"{annotations} is {kind or 'no COCO file'}: it needs a list `images`, got {short(listed)}")
    require_folder(images_dir, annotations)
    tally = Tally()
    found = _by_file(_entries(listed, tally), ImageFolder(images_dir), tally)
    _require_images(found, images_dir, annotations, tally=tally)
    return tuple(sorted(found)), tuple(tally.lines())


def require_folder(images_dir: Path, annotations: Path) -> None:
    """Raises `UserError` if the folder of a file's images does not exist."""
    if not images_dir.is_dir():
        raise UserError(
            f"the images' folder {images_dir} does not exist; name the folder of the images of {annotations}"
        )


def _require_images(found: Mapping[str, Any], images_dir: Path, annotations: Path, *, tally: Tally) -> None:
    if not found:
        reasons = "; ".join(tally.lines()) or "it lists none"
        raise UserError(f"no image of {annotations} can be used from {images_dir}: {reasons}")


def _read_json(path: Path) -> Any:
    """Reads the JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark."""
    data = files.read_bytes(path, what="annotation file")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        if kind := coco_kinds.kind_of_bytes(data):
            raise UserError(f"{path} is {kind}, not COCO; {coco_kinds.advice_for(kind)}") from error
        hint = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise UserError(f"{path} is not valid JSON: {error}{hint}") from error


def _read(path: Path) -> dict[str, Any]:
    """Reads the JSON of an instance file and checks its three lists."""
    content = _read_json(path)
    kind = coco_kinds.kind_of(content)
    absent = [key for key in LISTS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if kind and (absent or kind in coco_kinds.ADVICE):
        raise UserError(f"{path} is {kind}, no COCO instance file; {coco_kinds.advice_for(kind)}")
    if not isinstance(content, dict):
        raise UserError(f"{path} is no COCO instance file: it must be a JSON object, got {short(content)}")
    for key in absent:
        raise UserError(f"{path} is no COCO instance file: it needs a list `{key}`, got {short(content.get(key))}")
    return dict(content)


def _require_masks(items: list[Any], path: Path) -> None:
    found = [item for item in items if isinstance(item, Mapping)]
    if not found or any(masks.has_mask(item.get("segmentation")) for item in found):
        return
    kinds = [kind for key, kind in _INSTEAD_OF_MASKS.items() if any(item.get(key) for item in found)]
    what = f"{' and '.join(kinds) or 'objects'} without masks"
    points = "; or learn from its points by `model.mask_supervision` points" if boxes.have_points(items) else ""
    raise UserError(
        f"nothing can be learnt from {path}: it has {len(found)} {what}; annotate masks (polygons or brush), let a "
        f"segmentation tool make them from the boxes, or take whole boxes by --boxes-as-masks{points}"
    )


def _entries(items: list[Any], tally: Tally) -> list[_Entry]:
    """Reads the items of `images` that have a unique id and a file name."""
    entries: dict[str, list[_Entry]] = {}
    for number, item in enumerate(items):
        key = id_text(item.get("id")) if isinstance(item, Mapping) else None
        file_name = (item.get("file_name") or item.get("coco_url")) if isinstance(item, Mapping) else None
        if key is None or not isinstance(file_name, str) or not file_name.strip():
            tally.add(BROKEN_IMAGE, f"number {number} of the list ({short(item)})")
            continue
        sides = _side(item.get("height")), _side(item.get("width"))
        size_hw = sides if 0 < sides[0] * sides[1] <= masks.MOST_PIXELS else None
        facts = {name: value for name, value in item.items() if name not in IMAGE_KEYS}
        entries.setdefault(key, []).append(_Entry(key, file_name, size_hw, facts))
    for key, group in entries.items():
        names = dict.fromkeys(entry.file_name for entry in group)
        if len(names) > 1:
            tally.add(SHARED_ID, f"id {key}: {', '.join(map(repr, names))}", number=len(names))
    return [entry for group in entries.values() if len({item.file_name for item in group}) == 1 for entry in group]


def _by_file(entries: list[_Entry], folder: ImageFolder, tally: Tally) -> dict[str, list[_Entry]]:
    """Finds the files of the entries.

    Returns:
        Path inside the folder -> its entries; several where a file is listed under several ids.
    """
    exact: dict[str, list[_Entry]] = {}
    guessed: dict[str, list[_Entry]] = {}
    for entry in entries:
        try:
            found = folder.find(entry.file_name)
        except UserError as error:
            tally.add(MISSING, str(error))
            continue
        if listing.is_image(Path(found.name)):
            (exact if found.is_exact else guessed).setdefault(found.name, []).append(entry)
        else:
            tally.add(UNKNOWN_TYPE, entry.file_name)
    for name, group in guessed.items():
        if name in exact or len({entry.file_name for entry in group}) > 1:
            for entry in group:
                tally.add(AMBIGUOUS, f"{entry.file_name} could be {name}")
        else:
            exact[name] = group
            tally.add(OTHER_NAME, f"{group[0].file_name} as {name}")
    for name, group in exact.items():
        if len(ids := dict.fromkeys(entry.key for entry in group)) > 1:
            tally.add(LISTED_TWICE, f"{name} (ids {', '.join(ids)})")
    return exact


def _facts(entries: Sequence[_Entry]) -> dict[str, Any]:
    """Combines the facts of one file's entries; the first value of a key counts."""
    return {name: value for entry in reversed(entries) for name, value in entry.facts.items()}


def _size_of(entries: list[_Entry], path: Path, tally: Tally) -> tuple[int, int] | None:
    """Finds height and width of an image.

    Returns:
        The size in the annotation file, or that of the image file where the former is missing or not unique; None
        where the image file cannot be read either.
    """
    sizes = {entry.size_hw for entry in entries}
    if len(sizes) == 1 and (size := next(iter(sizes))):
        found = image_file.header_sizes(path)
        if found and size not in found:
            tally.add(OTHER_SIZE, f"{path.name} (says {_by(size)}, has {_by(found.upright_hw)})")
        return size
    try:
        size = image_file.sizes(image_file.read_bytes(path), name=str(path)).upright_hw
    except UserError as error:
        tally.add(UNREADABLE, str(error))
        return None
    tally.add(SIZE_ASKED, path.name)
    return size


def _by(size_hw: tuple[int, int]) -> str:
    return f"{size_hw[0]}x{size_hw[1]}"


def _side(value: Any) -> int:
    """Reads a height or width; 0 for an impossible value."""
    text = id_text(value) or ""
    return int(text) if text.isdecimal() and len(text) < 10 else 0
