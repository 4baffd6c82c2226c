"""Greedy non-maximum suppression, by the fastest way of each back end.

Shape letters: B images, N candidate boxes.
"""

from keras import ops

from mrcnn.ops.backend.current import native
from mrcnn.ops.backend.interface import INVALID_SCORE
from mrcnn.structures import Tensor


def nms(
    boxes: Tensor, scores: Tensor, valid: Tensor, *, iou_threshold: float, max_outputs: int
) -> tuple[Tensor, Tensor]:
    """Suppresses each box whose IoU with a better, kept box exceeds a threshold.

    Args:
        boxes: `[B, N, 4]` float, yxyx pixels.
        scores: `[B, N]` float.
        valid: `[B, N]` bool; the others are never kept and suppress nothing.
        iou_threshold: a box is dropped when its IoU with a kept one is above (not at) it.
        max_outputs: slots of the result, a Python int.

    Returns:
        index: `[B, max_outputs]` int32, kept boxes by descending score, 0 in unused slots.
        valid: `[B, max_outputs]` bool, the slot is used; used slots come first.
    """
    boxes = ops.stop_gradient(ops.cast(boxes, "float32"))  # a kernel has no gradient
    scores = ops.stop_gradient(ops.where(valid, ops.cast(scores, "float32"), INVALID_SCORE))
    return native.nms(boxes, scores, iou_threshold=iou_threshold, max_outputs=max_outputs)


def class_nms(
    boxes: Tensor, scores: Tensor, class_ids: Tensor, *, valid: Tensor, iou_threshold: float, max_outputs: int
) -> tuple[Tensor, Tensor]:
    """Runs `nms` within each class: boxes of different classes do not suppress each other.

    The boxes of each class are shifted to their own cell of a square grid, where they overlap no other class, so that
    one run handles all classes. The shift costs accuracy: with K classes and boxes within a side E, coordinates stay
    below (sqrt(K) / 2 + 1) * (E + 1), so 81 classes at 1024 pixels stay below 5638, where float32 steps by 2**-11: an
    edge is rounded by at most 2**-12 = 2.5e-4 pixels.

    Args:
        boxes: `[B, N, 4]` float, yxyx pixels.
        scores: `[B, N]` float.
        class_ids: `[B, N]` int, not negative.
        valid: `[B, N]` bool; the others are never kept and suppress nothing.
        iou_threshold: a box is dropped when its IoU with a kept one of its class is above (not at) it.
        max_outputs: slots of the result, a Python int.

    Returns:
        index: `[B, max_outputs]` int32, kept boxes of all classes by descending score, 0 in unused slots.
        valid: `[B, max_outputs]` bool, the slot is used; used slots come first.
    """
    if boxes.shape[1] == 0:  # Keras has no extremes of nothing on PyTorch
        return nms(boxes, scores, valid, iou_threshold=iou_threshold, max_outputs=max_outputs)
    boxes = ops.where(valid[..., None], ops.cast(boxes, "float32"), 0.0)
    class_ids = ops.where(valid, ops.cast(class_ids, "float32"), 0.0)
    # whole numbers, so that the offsets themselves are exact; the 1 keeps neighbouring cells apart
    last = ops.ceil(ops.max(boxes, axis=(1, 2), initial=0.0))
    first = ops.floor(ops.min(boxes, axis=(1, 2), initial=0.0))
    pitch = last - first + 1.0
    side = ops.ceil(ops.sqrt(ops.max(class_ids, axis=1, initial=0.0) + 1.0))
    return nms(
        boxes + _cell_offsets(class_ids, side[:, None], pitch[:, None]),
        scores,
        valid,
        iou_threshold=iou_threshold,
        max_outputs=max_outputs,
    )


def _cell_offsets(class_ids: Tensor, side: Tensor, pitch: Tensor) -> Tensor:
    row = ops.floor((class_ids + 0.5) / side)  # + 0.5: an inexact quotient stays in its row
    column = class_ids - row * side
    middle = ops.floor(side / 2.0)
    down, right = (row - middle) * pitch, (column - middle) * pitch
    return ops.stack([down, right, down, right], axis=-1)
