"""Reads the boxes of COCO annotations without masks: as masks, where the user chose so, or as boxes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn.data.coco import masks
from mrcnn.errors import UserError
from mrcnn.fields.mask_points import COORDS
from mrcnn.project.shape import read_points

Corners = tuple[tuple[int, int], tuple[int, int]]


def as_masks(items: Sequence[Any]) -> list[Any]:
    """Adds the outline of its box to each annotation without a mask.

    Args:
        items: `annotations` of the file.

    Returns:
        Copies with a `segmentation`; what has a mask, or no box of four numbers with sides above 0, as it is.
    """
    return [_with_mask(item) for item in items]


def have_points(items: Sequence[Any]) -> bool:
    """Checks whether an annotation has labelled points of a mask, with which a box is enough."""
    return any(isinstance(item, Mapping) and bool(item.get(COORDS)) for item in items)


def corners_of(item: Mapping[str, Any]) -> Corners | None:
    """Finds the first and the last pixel of the box of an annotation without a mask.

    Returns:
        (x, y) each: of the smallest box of whole pixels that contains the annotation's. None for an annotation that has
        a mask, or no box of four numbers with sides above 0.
    """
    sides = None if masks.has_mask(item.get("segmentation")) else _sides(item)
    if sides is None:
        return None
    x, y, width, height = sides
    return (math.floor(x), math.floor(y)), (math.ceil(x + width) - 1, math.ceil(y + height) - 1)


def _with_mask(item: Any) -> Any:
    if not isinstance(item, Mapping) or masks.has_mask(item.get("segmentation")):
        return item
    sides = _sides(item)
    if sides is None:
        return item
    x, y, width, height = sides
    ring = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {**item, "segmentation": [ring]}


def _sides(item: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Reads `bbox`: x, y, width and height; None where a side is not above 0 or it is no box."""
    box = item.get("bbox")
    try:
        (x, y), (width, height) = read_points([box[:2], box[2:]], what="bbox").tolist()  # type: ignore[index]
    except (TypeError, UserError):
        return None
    return (x, y, width, height) if width > 0 and height > 0 else None
