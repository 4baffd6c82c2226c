"""Merges the boxes that a model found in several views of an image.

Source: detectron2's `GeneralizedRCNNWithTTA._merge_detections`, which suppresses all boxes together. Here a box
suppresses no box of its own view: the model's NMS has kept both. The result is the same, but does not depend on how
exactly an IoU near the threshold is computed, so that a single view keeps all its boxes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Boxes(NamedTuple):
    """Boxes of an image with their classes.

    Attributes:
        boxes: `[N, 4]` float64, yxyx pixels of the image.
        class_ids: `[N]` int32.
        scores: `[N]` float32.
    """

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray


def merge(views: Sequence[Boxes], *, iou_threshold: float, most: int, across_classes: bool = False) -> Boxes:
    """Merges the boxes of all views of an image by greedy NMS.

    Args:
        views: the boxes of each view, at least one.
        iou_threshold: a box is dropped when its IoU with a better, kept one of another view is above (not at) it.
        most: the most boxes that are kept.
        across_classes: whether a box also suppresses those of other classes.

    Returns:
        The kept boxes by descending score; of equal ones the earlier view comes first. Empty in, empty out.
    """
    everything = Boxes(*(np.concatenate(field) for field in zip(*views, strict=True)))
    view = np.repeat(np.arange(len(views)), [len(each.scores) for each in views])
    left = np.argsort(-everything.scores, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(best)
        rivals = view[left] != view[best]
        if not across_classes:
            rivals &= everything.class_ids[left] == everything.class_ids[best]
        left = left[~(rivals & (_iou(everything.boxes[best], everything.boxes[left]) > iou_threshold))]
    return Boxes(*(field[np.array(kept, np.int64)] for field in everything))


def _iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Computes the IoU of a box `[4]` with others `[N, 4]`; 0 where both have no area."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0.0).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    return np.divide(shared, union, out=np.zeros(len(others)), where=union > 0)
