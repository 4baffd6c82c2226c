"""Mask overlaps of detections: candidate pairs, IoU and non-maximum suppression (NMS)."""

import numpy as np

from mrcnn.predict import compact
from mrcnn.structures import CompactDetections, CroppedMask


def mask_boxes(found: CompactDetections) -> np.ndarray:
    """Computes the bounding boxes of the masks.

    Returns:
        `[N, 4]` int64, yxyx pixels of the image, exclusive ends. Empty in, empty out.
    """
    return np.array([mask.box for mask in found.masks], np.int64).reshape(-1, 4)


def pairs(boxes: np.ndarray, class_ids: np.ndarray, *, reach: int = 0) -> np.ndarray:
    """Finds pairs of boxes of one class that overlap or are close to each other.

    The time grows with the number of boxes that share rows.

    Args:
        boxes: `[N, 4]` integers, yxyx pixels, exclusive ends.
        class_ids: `[N]` integers.
        reach: pixels by which one box of a pair is enlarged before the test; 1 finds adjacent boxes too.

    Returns:
        `[P, 2]` int64 indices, the smaller first in each pair, pairs sorted. Empty in, empty out.
    """
    order = np.lexsort((boxes[:, 0], class_ids))
    y1, x1, y2, x2 = boxes[order].T
    sorted_ids = class_ids[order]
    found = []
    for place, start in enumerate(order):
        # boxes are sorted by class, then by top: candidates are those of the class that start above this box's bottom
        class_end = np.searchsorted(sorted_ids, sorted_ids[place], side="right")
        end = place + 1 + np.searchsorted(y1[place + 1 : class_end], y2[place] + reach, side="left")
        near = slice(place + 1, end)
        beside = (x1[near] < x2[place] + reach) & (x1[place] < x2[near] + reach)
        others = order[near][beside]
        found.append(np.stack([np.minimum(start, others), np.maximum(start, others)], axis=1))
    joined = np.concatenate(found) if found else np.zeros((0, 2), np.int64)
    return joined[np.lexsort((joined[:, 1], joined[:, 0]))]


def shared_pixels(first: CroppedMask, second: CroppedMask) -> int:
    """Counts the pixels in the intersection of two masks."""
    y1, x1, y2, x2 = intersect(first.box, second.box)
    if y2 <= y1 or x2 <= x1:
        return 0
    return int(np.count_nonzero(part(first, (y1, x1, y2, x2)) & part(second, (y1, x1, y2, x2))))


def mask_iou(first: CroppedMask, second: CroppedMask) -> float:
    """Computes the IoU of two masks; 0 for two empty masks."""
    shared = shared_pixels(first, second)
    return shared / (first.area + second.area - shared) if shared else 0.0


def suppress(found: CompactDetections, *, iou_threshold: float) -> CompactDetections:
    """Applies class-wise mask NMS.

    A detection is dropped when its mask IoU with a detection of the same class and a higher score is above the
    threshold, even if that one is dropped itself, as in the original. Of two equal scores the first counts as higher.

    Args:
        found: the detections.
        iou_threshold: highest IoU that two kept detections may have.

    Returns:
        The kept detections by descending score. Empty in, empty out.
    """
    found = compact.best_first(found)
    boxes, areas = mask_boxes(found), np.array([mask.area for mask in found.masks], np.int64)
    near = pairs(boxes, found.class_ids)
    heights = np.minimum(*boxes[near, 2].T) - np.maximum(*boxes[near, 0].T)
    widths = np.minimum(*boxes[near, 3].T) - np.maximum(*boxes[near, 1].T)
    small, large = np.sort(areas[near], axis=1).T
    # an upper bound of the IoU: shared pixels lie in both boxes and in the smaller mask
    most = np.minimum(heights * widths, small) / large
    dropped = set()
    for better, weaker in near[most > iou_threshold]:
        if weaker not in dropped and mask_iou(found.masks[better], found.masks[weaker]) > iou_threshold:
            dropped.add(weaker)
    return compact.take(found, [index for index in range(len(found.masks)) if index not in dropped])


def intersect(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Computes the intersection of two yxyx boxes; without area where they are disjoint."""
    return (
        max(first[0], second[0]),
        max(first[1], second[1]),
        min(first[2], second[2]),
        min(first[3], second[3]),
    )


def part(mask: CroppedMask, box: tuple[int, int, int, int]) -> np.ndarray:
    """Crops a mask to a box inside its own bounding box.

    Args:
        mask: the mask.
        box: yxyx pixels of the image.

    Returns:
        `[h, w]` bool, of the box's size.
    """
    (y, x), (y1, x1, y2, x2) = mask.origin, box
    return mask.pixels[y1 - y : y2 - y, x1 - x : x2 - x]
