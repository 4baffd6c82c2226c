"""Turns the boxes of COCO annotations without masks into masks, where the user chose so."""

from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn.data.coco import masks
from mrcnn.errors import UserError
from mrcnn.project.shape import read_points


def as_masks(items: Sequence[Any]) -> list[Any]:
    """Adds the outline of its box to each annotation without a mask.

    Args:
        items: `annotations` of the file.

    Returns:
        Copies with a `segmentation`; what has a mask, or no box of four numbers with sides above 0, as it is.
    """
    return [_with_mask(item) for item in items]


def _with_mask(item: Any) -> Any:
    if not isinstance(item, Mapping) or masks.has_mask(item.get("segmentation")):
        return item
    box = item.get("bbox")
    try:
        (x, y), (width, height) = read_points([box[:2], box[2:]], what="bbox").tolist()  # type: ignore[index]
    except (TypeError, UserError):
        return item
    if width <= 0 or height <= 0:
        return item
    ring = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {**item, "segmentation": [ring]}
