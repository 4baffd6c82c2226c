"""Finds the objects of an image that overlap: IoU of masks and of boxes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEAST = 0.5  # IoU of masks from which an overlap is recorded


class Overlap(NamedTuple):
    """The largest overlap of one object.

    Attributes:
        iou: of the masks; 0 where none is at least `LEAST`.
        other: index of the other object; -1 without one.
        crowding: largest IoU of its box with another box of its class.
    """

    iou: float = 0.0
    other: int = -1
    crowding: float = 0.0


def of_image(boxes: np.ndarray, masks: Sequence[np.ndarray], *, class_ids: np.ndarray) -> list[Overlap]:
    """Finds the largest overlap of each object with another.

    Masks are compared only where their IoU can reach `LEAST`: it is at most the area that the two boxes share divided
    by the larger mask's area. Memory grows with the number of objects, not with its square.

    Args:
        boxes: `[N, 4]`, yxyx pixels, whole numbers, exclusive ends.
        masks: N boolean arrays, each an object inside its own box.
        class_ids: `[N]`.

    Returns:
        One for each object.
    """
    boxes = np.asarray(boxes, np.int64).reshape(-1, 4)
    areas = np.array([np.count_nonzero(mask) for mask in masks], np.int64)
    found = []
    for index, box in enumerate(boxes):
        shared = _shared(box, boxes)
        others = np.arange(len(boxes)) != index
        ious = shared / np.maximum(1, _areas(box[None]) + _areas(boxes) - shared)
        crowding = float(ious[others & (class_ids == class_ids[index])].max(initial=0))
        possible = np.flatnonzero(others & (shared >= LEAST * np.maximum(areas, areas[index])) & (shared > 0))
        best = Overlap(crowding=crowding)
        for other in possible.tolist():
            iou = mask_iou(masks[index], masks[other], box=box, other_box=boxes[other])
            if iou >= LEAST and iou > best.iou:
                best = Overlap(iou, other, crowding)
        found.append(best)
    return found


def mask_iou(mask: np.ndarray, other: np.ndarray, *, box: np.ndarray, other_box: np.ndarray) -> float:
    """Computes the IoU of two masks, each given inside its own box; 0 for two empty masks.

    Args:
        mask: `[h, w]` bool.
        other: `[h, w]` bool.
        box: `[4]`, yxyx pixels of `mask`.
        other_box: `[4]`, yxyx pixels of `other`.
    """
    y1, x1 = np.maximum(box[:2], other_box[:2])
    y2, x2 = np.minimum(box[2:], other_box[2:])
    if y1 >= y2 or x1 >= x2:
        return 0.0
    first = mask[y1 - box[0] : y2 - box[0], x1 - box[1] : x2 - box[1]]
    second = other[y1 - other_box[0] : y2 - other_box[0], x1 - other_box[1] : x2 - other_box[1]]
    both = int(np.count_nonzero(first & second))
    either = int(np.count_nonzero(mask)) + int(np.count_nonzero(other)) - both
    return both / either if either else 0.0


def _shared(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return np.maximum(0, sides).prod(axis=1)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
