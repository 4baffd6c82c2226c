"""Which detections of one class cover the same pixels, and the weaker of two that do."""

import numpy as np

from mrcnn.predict import compact
from mrcnn.structures import CompactDetections, CroppedMask


def mask_boxes(found: CompactDetections) -> np.ndarray:
    """Gives the boxes of the masks' true pixels, `[N, 4]` int64, yxyx, exclusive ends."""
    return np.array([mask.box for mask in found.masks], np.int64).reshape(-1, 4)


def pairs(boxes: np.ndarray, class_ids: np.ndarray, *, reach: int = 0) -> np.ndarray:
    """Finds the pairs of one class whose boxes share a pixel or come close.

    Args:
        boxes: `[N, 4]` integers, yxyx, exclusive ends.
        class_ids: `[N]`.
        reach: pixels by which one of the two is enlarged first; 1 finds boxes that touch.

    Returns:
        `[P, 2]` int64 indices, the smaller first, sorted. The work grows with the boxes that share rows.
    """
    order = np.lexsort((boxes[:, 0], class_ids))
    y1, x1, y2, x2 = boxes[order].T
    sorted_ids = class_ids[order]
    found = []
    for place, start in enumerate(order):
        # behind this box come those of its class by their tops: as long as one begins above this one's end
        class_end = np.searchsorted(sorted_ids, sorted_ids[place], side="right")
        end = place + 1 + np.searchsorted(y1[place + 1 : class_end], y2[place] + reach, side="left")
        near = slice(place + 1, end)
        beside = (x1[near] < x2[place] + reach) & (x1[place] < x2[near] + reach)
        others = order[near][beside]
        found.append(np.stack([np.minimum(start, others), np.maximum(start, others)], axis=1))
    joined = np.concatenate(found) if found else np.zeros((0, 2), np.int64)
    return joined[np.lexsort((joined[:, 1], joined[:, 0]))]


def shared_pixels(first: CroppedMask, second: CroppedMask) -> int:
    """Counts the pixels that both masks cover."""
    y1, x1, y2, x2 = intersect(first.box, second.box)
    if y2 <= y1 or x2 <= x1:
        return 0
    return int(np.count_nonzero(part(first, (y1, x1, y2, x2)) & part(second, (y1, x1, y2, x2))))


def mask_iou(first: CroppedMask, second: CroppedMask) -> float:
    """Divides the pixels both masks cover by those at least one does; 0 for two empty masks."""
    shared = shared_pixels(first, second)
    return shared / (first.area + second.area - shared) if shared else 0.0


def suppress(found: CompactDetections, *, iou_threshold: float) -> CompactDetections:
    """Drops every detection that overlaps a better one of its class by more than the threshold (IoU of the masks).

    A dropped detection still drops others, as in the original; of two with one score the first is the better.

    Returns:
        What is left, best first.
    """
    found = compact.best_first(found)
    boxes, areas = mask_boxes(found), np.array([mask.area for mask in found.masks], np.int64)
    near = pairs(boxes, found.class_ids)
    heights = np.minimum(*boxes[near, 2].T) - np.maximum(*boxes[near, 0].T)
    widths = np.minimum(*boxes[near, 3].T) - np.maximum(*boxes[near, 1].T)
    small, large = np.sort(areas[near], axis=1).T
    # shared pixels lie in both boxes and in the smaller mask, so this is the most that the IoU can be
    most = np.minimum(heights * widths, small) / large
    dropped = set()
    for better, weaker in near[most > iou_threshold]:
        if weaker not in dropped and mask_iou(found.masks[better], found.masks[weaker]) > iou_threshold:
            dropped.add(weaker)
    return compact.take(found, [index for index in range(len(found.masks)) if index not in dropped])


def intersect(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Gives the box inside both, yxyx; without area where they share no pixel."""
    return (
        max(first[0], second[0]),
        max(first[1], second[1]),
        min(first[2], second[2]),
        min(first[3], second[3]),
    )


def part(mask: CroppedMask, box: tuple[int, int, int, int]) -> np.ndarray:
    """Cuts a mask to a box inside its own, yxyx pixels of the image: `[h, w]` bool."""
    (y, x), (y1, x1, y2, x2) = mask.origin, box
    return mask.pixels[y1 - y : y2 - y, x1 - x : x2 - x]
