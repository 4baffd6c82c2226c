"""Merges the detections of an object that the borders of sliding windows cut into pieces.

Two detections of one class from different windows belong to one object when their masks agree where the windows meet:

- overlapping windows share a strip; the IoU of the two masks inside the strip must reach a threshold,
- adjacent windows share a border line; the IoU of the two masks' pixels along the line must reach the same threshold.
  A mask that ends up to `CONTACT` pixels before the line is compared by its pixels nearest to the line.

A merged mask is the union of its pieces and has the highest score among them; chains of pieces become one object.

A detection is complete when no border of its window cuts it. If a complete detection agrees with another detection and
contains at least half of it, only the complete one is kept; of two complete ones, the one with the higher score. Their
union would only make the mask larger with every duplicate.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from mrcnn.fields import extras
from mrcnn.predict import compact, overlaps
from mrcnn.predict.windows import Box
from mrcnn.structures import CompactDetections, CroppedMask

CONTACT = 4  # pixels: a predicted mask may end a little before the border that cuts its object
INSIDE = 0.5  # share of a detection's pixels inside a complete one from which it is dropped as a duplicate


def join_pieces(found: CompactDetections, windows: np.ndarray, *, iou_threshold: float) -> CompactDetections:
    """Merges detections from different windows that belong to one object.

    Args:
        found: the N detections of all windows, in pixels of the image.
        windows: `[N, 4]` integers, yxyx pixels of the image, exclusive ends: the window of each detection.
        iou_threshold: lowest agreement of two pieces of one object, see the module docstring; above 0.

    Returns:
        The merged detections by descending score. Empty in, empty out.
    """
    pairs = [
        (first, second)
        for first, second in _candidates(found, windows)
        if agreement(
            (found.masks[first], found.masks[second]), (_box(windows[first]), _box(windows[second]))
        ) >= iou_threshold
    ]  # fmt: skip
    surplus = _inside_whole_ones(found, windows, pairs)
    count = len(found.masks)
    links = [pair for pair in pairs if surplus.isdisjoint(pair)]
    first, second = np.array(links, np.int64).reshape(-1, 2).T
    graph = sparse.coo_array((np.ones(len(links), bool), (first, second)), shape=(count, count))
    _, groups = csgraph.connected_components(graph, directed=False)
    order = np.array([index for index in np.argsort(groups, kind="stable") if index not in surplus], np.int64)
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if count else []
    return compact.best_first(compact.concatenate([_joined(found, group) for group in members], size=found.size))


def agreement(masks: tuple[CroppedMask, CroppedMask], windows: tuple[Box, Box]) -> float:
    """Computes the IoU of two masks where their windows overlap or touch.

    Args:
        masks: the two masks, in pixels of the image.
        windows: the window of each mask.

    Returns:
        A number in 0..1; 0 for windows that neither overlap nor touch.
    """
    strip = overlaps.intersect(*windows)
    if strip[0] < strip[2] and strip[1] < strip[3]:
        shared = overlaps.shared_pixels(*masks)
        inside = sum(int(np.count_nonzero(_inside(mask, strip))) for mask in masks)
        return shared / (inside - shared) if shared else 0.0
    for axis in (0, 1):
        if strip[axis] == strip[axis + 2] and strip[1 - axis] < strip[3 - axis]:
            return _contact(masks, strip, axis=axis)
    return 0.0


def _inside_whole_ones(found: CompactDetections, windows: np.ndarray, pairs: list[tuple[int, int]]) -> set[int]:
    """Finds the indices of detections that duplicate a complete one, among agreeing `pairs`."""
    whole, surplus = _is_whole(found, windows), set()
    for pair in pairs:
        other, kept = sorted(pair, key=lambda index: (whole[index], found.scores[index], -index))
        if whole[kept]:
            shared = overlaps.shared_pixels(found.masks[kept], found.masks[other])
            if shared >= INSIDE * found.masks[other].area:
                surplus.add(other)
    return surplus


def _is_whole(found: CompactDetections, windows: np.ndarray) -> np.ndarray:
    """Checks which detections are complete, that is, cut by no border of their window.

    A window border that is a border of the image does not count.

    Returns:
        `[N]` bool, true for a complete detection.
    """
    boxes, (height, width) = overlaps.mask_boxes(found), found.size
    cut_before = (boxes[:, :2] < windows[:, :2] + CONTACT) & (windows[:, :2] > 0)
    cut_behind = (boxes[:, 2:] > windows[:, 2:] - CONTACT) & (windows[:, 2:] < (height, width))
    return np.logical_not((cut_before | cut_behind).any(axis=1))


def _contact(masks: tuple[CroppedMask, CroppedMask], line: Box, *, axis: int) -> float:
    """Computes the IoU of two masks' pixels nearest to a border line.

    Args:
        masks: the two masks, in pixels of the image.
        line: a box without extent along `axis`.
        axis: 0 for a horizontal line, 1 for a vertical one.

    Returns:
        A number in 0..1; 0 where neither mask comes near the line.
    """
    first, second = (_end(mask, line, axis=axis) for mask in masks)
    either = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / either if either else 0.0


def _end(mask: CroppedMask, line: Box, *, axis: int) -> np.ndarray:
    """Extracts the row or column of a mask that is nearest to a line.

    Returns:
        `[length of the line]` bool; all false for a mask more than `CONTACT` pixels away.
    """
    end = np.zeros(line[3 - axis] - line[1 - axis], bool)
    band = list(line)
    band[axis], band[axis + 2] = line[axis] - CONTACT, line[axis + 2] + CONTACT
    clip = overlaps.intersect(mask.box, _box(band))
    if clip[0] < clip[2] and clip[1] < clip[3]:
        rows = np.moveaxis(overlaps.part(mask, clip), axis, 0)
        filled = np.flatnonzero(rows.any(axis=1))
        if len(filled):
            nearest = filled[0] if clip[axis] >= line[axis] else filled[-1]
            start = clip[1 - axis] - line[1 - axis]
            end[start : start + rows.shape[1]] = rows[nearest]
    return end


def _candidates(found: CompactDetections, windows: np.ndarray) -> np.ndarray:
    """Finds pairs of nearby detections of one class from different windows, `[P, 2]` indices."""
    pairs = overlaps.pairs(overlaps.mask_boxes(found), found.class_ids, reach=2 * CONTACT)
    first, second = windows[pairs.T]
    return pairs[(first != second).any(axis=1)]


def _joined(found: CompactDetections, group: np.ndarray) -> CompactDetections:
    pieces = compact.best_first(compact.take(found, group))
    if len(group) == 1:
        return pieces
    boxes = overlaps.mask_boxes(pieces)
    (y1, x1), (y2, x2) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    canvas = np.zeros((y2 - y1, x2 - x1), bool)
    for mask in pieces.masks:
        top, left, bottom, right = mask.box
        canvas[top - y1 : bottom - y1, left - x1 : right - x1] |= mask.pixels
    box = np.concatenate([pieces.boxes[:, :2].min(axis=0), pieces.boxes[:, 2:].max(axis=0)])
    mask = CroppedMask.from_pixels(canvas, (int(y1), int(x1)))
    merged = extras.merged(pieces.extras, pieces.scores)
    return compact.take(pieces, [0])._replace(boxes=box[None], masks=(mask,), extras=merged)


def _inside(mask: CroppedMask, box: Box) -> np.ndarray:
    clip = overlaps.intersect(mask.box, box)
    return overlaps.part(mask, clip) if clip[0] < clip[2] and clip[1] < clip[3] else np.zeros((0, 0), bool)


def _box(values: np.ndarray | list[int]) -> Box:
    y1, x1, y2, x2 = (int(value) for value in values)
    return y1, x1, y2, x2
