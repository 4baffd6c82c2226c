"""Box deltas: regression targets that describe a box relative to its anchor.

Source: R-CNN (2014) appendix C, with heights and widths `y2 - y1` and `x2 - x1` (no + 1).
"""

import math
from collections.abc import Sequence

from keras import ops

from mrcnn.structures import Tensor

MIN_SIDE = 1e-6  # pixels; keeps logarithms and quotients finite for degenerate boxes, far below any real side
MAX_LOG_SCALE = math.log(1000 / 16)  # a decoded side is at most 62.5 anchor sides: exp cannot overflow


def encode_boxes(boxes: Tensor, anchors: Tensor, *, delta_std: Sequence[float]) -> Tensor:
    """Expresses boxes as shifts and scales of anchors; inverse of `decode_boxes`.

    Args:
        boxes: `[..., 4]` number, yxyx pixels.
        anchors: `[..., 4]` number, yxyx pixels; broadcasts against `boxes`.
        delta_std: four numbers (dy, dx, dh, dw) that the deltas are divided by.

    Returns:
        `[..., 4]` float32 (dy, dx, dh, dw): shifts of the centre in anchor sides, natural logs of the scale, each
        divided by `delta_std`. Finite, if meaningless, for degenerate boxes and anchors. Empty in, empty out.

    Raises:
        ValueError: the last axis of either argument is not 4.
    """
    y, x, height, width = _centres_and_sides(boxes)
    anchor_y, anchor_x, anchor_height, anchor_width = _centres_and_sides(anchors)
    height, width = ops.maximum(height, MIN_SIDE), ops.maximum(width, MIN_SIDE)
    anchor_height, anchor_width = ops.maximum(anchor_height, MIN_SIDE), ops.maximum(anchor_width, MIN_SIDE)
    deltas = ops.stack(
        [
            (y - anchor_y) / anchor_height,
            (x - anchor_x) / anchor_width,
            ops.log(height / anchor_height),
            ops.log(width / anchor_width),
        ],
        axis=-1,
    )
    return deltas / _standard_deviations(delta_std)


def decode_boxes(deltas: Tensor, anchors: Tensor, *, delta_std: Sequence[float]) -> Tensor:
    """Moves and scales anchors by predicted deltas; inverse of `encode_boxes`.

    Args:
        deltas: `[..., 4]` float (dy, dx, dh, dw): shifts in anchor sides, natural logs of scale, all divided by
            `delta_std`.
        anchors: `[..., 4]` number, yxyx pixels; broadcasts against `deltas`.
        delta_std: what each component was divided by when encoded.

    Returns:
        `[..., 4]` float32, yxyx pixels, not clipped. Empty in, empty out.

    Raises:
        ValueError: the last axis of either argument is not 4.

    Source: dh and dw are clamped at log(1000 / 16) before exp as in detectron2; Matterport does not clamp.
    """
    deltas = _four(deltas, "deltas") * _standard_deviations(delta_std)
    y, x, height, width = _centres_and_sides(anchors)
    y = y + deltas[..., 0] * height
    x = x + deltas[..., 1] * width
    half_height = 0.5 * height * ops.exp(ops.minimum(deltas[..., 2], MAX_LOG_SCALE))
    half_width = 0.5 * width * ops.exp(ops.minimum(deltas[..., 3], MAX_LOG_SCALE))
    return ops.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)


def _centres_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    boxes = _four(boxes, "boxes")
    height = boxes[..., 2] - boxes[..., 0]
    width = boxes[..., 3] - boxes[..., 1]
    return boxes[..., 0] + 0.5 * height, boxes[..., 1] + 0.5 * width, height, width


def _four(values: Tensor, name: str) -> Tensor:
    values = ops.cast(values, "float32")
    if values.shape[-1] != 4:
        raise ValueError(f"{name} must have 4 numbers on the last axis, got shape {tuple(values.shape)}")
    return values


def _standard_deviations(delta_std: Sequence[float]) -> Tensor:
    return ops.convert_to_tensor(tuple(delta_std), dtype="float32")
