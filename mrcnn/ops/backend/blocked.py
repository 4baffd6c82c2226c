"""Greedy non-maximum suppression by operations of Keras alone, with fixed shapes.

The boxes are sorted by score and go through in blocks. A block is compared with all boxes that were kept so far, and
then with itself.
Shape letters: N candidate boxes, T boxes of a block.
"""

import numpy as np
from keras import ops

from mrcnn.ops import boxes as box_maths
from mrcnn.ops.backend.interface import SCORE_FLOOR
from mrcnn.structures import Tensor

_BLOCK = 256  # boxes compared at a time


def nms(boxes: Tensor, scores: Tensor, *, iou_threshold: float, max_outputs: int) -> tuple[Tensor, Tensor]:
    """Suppresses the boxes of one image greedily.

    Args:
        boxes: `[N, 4]` float32; N is known and may be 0.
        scores: `[N]` float32, as for `interface.Backend.nms`.
        iou_threshold: as there.
        max_outputs: as there.

    Returns:
        index: `[max_outputs]` int32, as there.
        used: `[max_outputs]` bool.

    Source: the blocks of `tf.image.non_max_suppression_padded`; the result is that of the greedy loop.
    """
    size = min(_BLOCK, max(boxes.shape[0], 1))
    blocks = max(-(-boxes.shape[0] // size), 1)  # without boxes, one block of padding
    padding = blocks * size - boxes.shape[0]
    scores = ops.pad(scores, ((0, padding),), constant_values=2 * SCORE_FLOOR)
    order = ops.cast(ops.argsort(-scores), "int32")  # stable on every back end: the first of equal scores leads
    boxes = ops.take(ops.pad(boxes, ((0, padding), (0, 0))), order, axis=0)
    candidates = ops.take(scores, order, axis=0) > SCORE_FLOOR
    threshold = np.float32(iou_threshold)

    def step(block: Tensor, count: Tensor, *found: Tensor) -> tuple[Tensor, ...]:
        index, kept = found  # with one more slot than the result
        start = block * size
        own = ops.slice(boxes, (start, 0), (size, 4))
        keep = ops.slice(candidates, (start,), (size,))
        keep = keep & ~ops.any(box_maths.iou(own, kept) > threshold, axis=1)
        keep = _within(keep, box_maths.iou(own, own) > threshold)
        # a kept box goes to the next free slot; the last slot, which is cut off, collects all others
        place = count + ops.cumsum(ops.cast(keep, "int32")) - 1
        place = ops.where(keep, ops.minimum(place, max_outputs), max_outputs)[:, None]
        index = ops.scatter_update(index, place, ops.slice(order, (start,), (size,)))
        kept = ops.scatter_update(kept, place, ops.where(keep[:, None], own, 0.0))
        return block + 1, count + ops.sum(ops.cast(keep, "int32")), index, kept

    def unfinished(block: Tensor, count: Tensor, *_: Tensor) -> Tensor:
        return (block < blocks) & (count < max_outputs)

    start = (
        ops.zeros((), dtype="int32"),
        ops.zeros((), dtype="int32"),
        ops.zeros((max_outputs + 1,), dtype="int32"),
        ops.zeros((max_outputs + 1, 4), dtype="float32"),
    )
    _, count, index, _ = ops.while_loop(unfinished, step, start)
    used = ops.arange(max_outputs, dtype="int32") < count
    return ops.where(used, index[:max_outputs], 0), used


def _within(candidates: Tensor, overlaps: Tensor) -> Tensor:
    """Suppresses within a block.

    A box is kept if no kept box before it overlaps it. Repeating that for all boxes at once settles at least one more
    box in each round, the first of a chain of overlapping boxes first, and ends where nothing changes: at the result of
    the greedy loop.

    Args:
        candidates: `[T]` bool.
        overlaps: `[T, T]` bool, symmetric.

    Returns:
        `[T]` bool.
    """
    place = ops.arange(candidates.shape[0])
    before = overlaps & (place[None, :] < place[:, None])  # of each row, the boxes that may suppress it

    def step(keep: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        settled = candidates & ~ops.any(before & keep[None, :], axis=1)
        return settled, ops.any(settled != keep)

    return ops.while_loop(lambda _, changed: changed, step, (candidates, ops.any(candidates)))[0]
