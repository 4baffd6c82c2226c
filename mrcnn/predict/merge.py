"""Puts the pieces together into which windows cut an object.

Two detections of one class, from different windows, are one object when they agree on what both windows see:

- windows that overlap share a strip; inside it the IoU of the two masks must reach a threshold,
- windows that only touch share a line; the IoU of the two masks' pixels along it must reach it. A mask that ends up to
  `CONTACT` pixels before the line counts with the pixels nearest to it.

What is joined covers all that its pieces cover and has the best piece's score; chains of pieces become one object.

A detection that ends before the borders of its window is whole. Of a whole one and another that agrees with it and lies
in it by half, only the whole one stays, of two whole ones the better: nothing is gained by adding a second opinion, and
masks would grow with each.
"""

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from mrcnn.predict import compact, overlaps
from mrcnn.predict.windows import Box
from mrcnn.structures import CompactDetections, CroppedMask

CONTACT = 4  # pixels: a predicted mask may end a little before the border that cuts its object
INSIDE = 0.5  # the share of a detection in a whole one from which it adds nothing to it


def join_pieces(found: CompactDetections, windows: np.ndarray, *, iou_threshold: float) -> CompactDetections:
    """Joins the pieces of one object.

    Args:
        found: in pixels of the image.
        windows: `[N, 4]` integers, yxyx, exclusive ends: the window each detection is from.
        iou_threshold: see the module; above 0.

    Returns:
        The objects, best first.
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
    """Gives how far two pieces agree on what both windows see, 0 to 1; 0 for windows that do not even touch."""
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
    """Finds what lies in a whole detection that it agrees with; `pairs` are those that agree."""
    whole, surplus = _is_whole(found, windows), set()
    for pair in pairs:
        other, kept = sorted(pair, key=lambda index: (whole[index], found.scores[index], -index))
        if whole[kept]:
            shared = overlaps.shared_pixels(found.masks[kept], found.masks[other])
            if shared >= INSIDE * found.masks[other].area:
                surplus.add(other)
    return surplus


def _is_whole(found: CompactDetections, windows: np.ndarray) -> np.ndarray:
    """Tells which detections no border of their window cuts, `[N]` bool; the image's own borders cut nothing."""
    boxes, (height, width) = overlaps.mask_boxes(found), found.size
    cut_before = (boxes[:, :2] < windows[:, :2] + CONTACT) & (windows[:, :2] > 0)
    cut_behind = (boxes[:, 2:] > windows[:, 2:] - CONTACT) & (windows[:, 2:] < (height, width))
    return np.logical_not((cut_before | cut_behind).any(axis=1))


def _contact(masks: tuple[CroppedMask, CroppedMask], line: Box, *, axis: int) -> float:
    """Compares the ends of two masks at a line without width; `axis` is 0 for a level line, 1 for an upright one."""
    first, second = (_end(mask, line, axis=axis) for mask in masks)
    either = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / either if either else 0.0


def _end(mask: CroppedMask, line: Box, *, axis: int) -> np.ndarray:
    """Gives a mask's row (or column) of pixels nearest to a line, along the line: `[length]` bool, clear if far."""
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
    """Finds the pairs worth comparing, `[P, 2]`: of one class, near one another, from different windows."""
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
    return compact.take(pieces, [0])._replace(boxes=box[None], masks=(mask,))


def _inside(mask: CroppedMask, box: Box) -> np.ndarray:
    clip = overlaps.intersect(mask.box, box)
    return overlaps.part(mask, clip) if clip[0] < clip[2] and clip[1] < clip[3] else np.zeros((0, 0), bool)


def _box(values: np.ndarray | list[int]) -> Box:
    y1, x1, y2, x2 = (int(value) for value in values)
    return y1, x1, y2, x2
