"""Reads the items of `annotations` of a COCO file: class, mask or box, crowd and extra fields of each object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mrcnn.data.coco import boxes, values
from mrcnn.data.coco.categories import id_text
from mrcnn.data.tally import Tally, short
from mrcnn.errors import UserError
from mrcnn.fields import extras
from mrcnn.fields.table import Fields

NO_OBJECT = "object left out, not a JSON object"
NO_CATEGORY = "object left out, category not in the file"
NO_IMAGE = "object left out, image not in the file"
IMAGE_GONE = "object left out, since the image is left out"
BAD_CROWD = "object left out, `iscrowd` is neither 0 nor 1"
BAD_FIELD = "object left out, a value of an extra field is malformed"
LOST_OBJECTS = (NO_OBJECT, NO_CATEGORY, NO_IMAGE, IMAGE_GONE, BAD_CROWD, BAD_FIELD)


@dataclass(frozen=True)
class CocoObject:
    """One annotation of a COCO file.

    Attributes:
        category: name of its category.
        segmentation: as in the file.
        is_crowd: `iscrowd` is 1.
        name: "annotation" with its id, or with its index where it has none, for messages.
        extras: values of its extra fields by name, pixels of the image; see `CocoDataset.fields`.
        facts: its keys `score` and `attributes`; see `values.facts`.
        corners: of an object that is a box without a mask, the first and the last pixel of the box, (x, y) each; None
            for other objects.
    """

    category: str
    segmentation: Any
    is_crowd: bool
    name: str = "annotation"
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    corners: boxes.Corners | None = None


def read(
    content: Mapping[str, Any],
    categories: Mapping[str, str],
    *,
    names: Mapping[str, str],
    fields: Mapping[str, Fields],
    boxes_count: bool,
    tally: Tally,
) -> dict[str, list[CocoObject]]:
    """Reads the objects of the images that are used.

    Args:
        content: of the file.
        categories: names of the categories by id.
        names: of the images that are used, by id.
        fields: as in `CocoDataset`.
        boxes_count: whether a box without a mask is an object.
        tally: counts the objects left out.

    Returns:
        Image name -> objects.
    """
    listed = {id_text(item.get("id")) for item in content["images"] if isinstance(item, Mapping)}
    objects: dict[str, list[CocoObject]] = {name: [] for name in names.values()}
    for number, item in enumerate(content["annotations"]):
        if not isinstance(item, Mapping):
            tally.add(NO_OBJECT, f"number {number} of the list ({short(item)})")
            continue
        key, category = id_text(item.get("image_id")), id_text(item.get("category_id"))
        own = id_text(item.get("id"))
        name = f"annotation {own}" if own else f"annotation number {number} of the list"
        is_crowd = values.crowd(item.get("iscrowd"))
        where = f"{name} of image {names.get(key or '', short(item.get('image_id')))}"
        if key is None or key not in names:
            tally.add(IMAGE_GONE if key and key in listed else NO_IMAGE, where)
        elif category is None or category not in categories:
            tally.add(NO_CATEGORY, f"{where} (category {short(item.get('category_id'))})")
        elif is_crowd is None:
            tally.add(BAD_CROWD, f"{where} ({short(item['iscrowd'])})")
        else:
            try:
                own_fields = extras.of_coco(item, fields[categories[category]])
            except UserError as error:
                tally.add(BAD_FIELD, f"{where} ({error})")
            else:
                corners = boxes.corners_of(item) if boxes_count else None
                found = categories[category], item.get("segmentation"), is_crowd, name, own_fields, values.facts(item)
                objects[names[key]].append(CocoObject(*found, corners))
    return objects
