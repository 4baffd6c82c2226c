"""Greedy non-maximum suppression with TensorFlow's fast native kernel.

`NonMaxSuppressionV4` with padded output is the one form that was correct in every export format we measured, provided
that its padding is masked by its own count and no gather reads beyond the boxes.
Shape letters: B images, N candidate boxes.
"""

import tensorflow as tf
from keras import ops

from mrcnn.structures import Tensor

# Finite, so that exporters and the kernel's filter agree on them; every real score lies far above.
_INVALID_SCORE = -2e30
_SCORE_FLOOR = -1e30


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
    boxes = ops.stop_gradient(ops.cast(boxes, "float32"))  # the kernel has no gradient
    scores = ops.where(valid, ops.cast(scores, "float32"), _INVALID_SCORE)

    def one_image(inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        index, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=inputs[0],
            scores=inputs[1],
            max_output_size=max_outputs,
            iou_threshold=tf.cast(iou_threshold, tf.float32),
            score_threshold=_SCORE_FLOOR,
            pad_to_max_output_size=True,
        )
        used = tf.range(max_outputs) < count
        return tf.where(used, tf.reshape(index, (max_outputs,)), 0), used

    batch = boxes.shape[0]
    if batch:  # no loop: the images run at the same time, and the graph of an exported model has no control flow
        index, used = zip(*(one_image((boxes[image], scores[image])) for image in range(batch)), strict=True)
        return ops.stack(index), ops.stack(used)
    signature = (tf.TensorSpec((max_outputs,), tf.int32), tf.TensorSpec((max_outputs,), tf.bool))
    return tf.map_fn(one_image, (boxes, scores), fn_output_signature=signature)


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
