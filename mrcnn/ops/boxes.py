"""Areas, overlaps and clipping of boxes.

Boxes are yxyx with exclusive ends; a box whose end does not lie beyond its start is degenerate and has area 0.
Shape letters: N boxes of the first set, M boxes of the second set.
"""

from keras import ops

from mrcnn.structures import Tensor

_CHUNK = 1 << 21  # pairs of boxes compared at a time


def corners_xy(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Reads the first and the second corner of each box as points.

    Args:
        boxes: `[..., 4]`, yxyx.

    Returns:
        Two `[..., 2]`, (x, y), in the boxes' dtype.
    """
    # not a slice with a negative step, which PyTorch lacks
    y1, x1, y2, x2 = (boxes[..., column] for column in range(4))
    return ops.stack([x1, y1], axis=-1), ops.stack([x2, y2], axis=-1)


def area(boxes: Tensor) -> Tensor:
    """Computes the area of each box.

    Args:
        boxes: `[..., 4]` number, yxyx.

    Returns:
        `[...]` float32, in squared units of the box; 0 for a degenerate box.
    """
    y1, x1, y2, x2 = _edges(boxes)
    return ops.maximum(y2 - y1, 0.0) * ops.maximum(x2 - x1, 0.0)


def intersection(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Computes the intersection area of each pair of boxes from two sets.

    Args:
        boxes1: `[..., N, 4]` number, yxyx.
        boxes2: `[..., M, 4]` number, yxyx; leading axes broadcast against those of `boxes1`.

    Returns:
        `[..., N, M]` float32, 0 where two boxes do not overlap or one is degenerate.
    """
    y1, x1, y2, x2 = (edge[..., :, None] for edge in _edges(boxes1))
    other_y1, other_x1, other_y2, other_x2 = (edge[..., None, :] for edge in _edges(boxes2))
    height = ops.maximum(ops.minimum(y2, other_y2) - ops.maximum(y1, other_y1), 0.0)
    width = ops.maximum(ops.minimum(x2, other_x2) - ops.maximum(x1, other_x1), 0.0)
    return height * width


def iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Computes the intersection over union of each pair of boxes from two sets.

    Args:
        boxes1: `[..., N, 4]` number, yxyx.
        boxes2: `[..., M, 4]` number, yxyx; leading axes broadcast against those of `boxes1`.

    Returns:
        `[..., N, M]` float32 in 0..1; 0, never NaN, where a box is degenerate.
    """
    first, second = boxes1.shape[-2], boxes2.shape[-2]
    if first is None or second is None or first * second <= _CHUNK:
        return _iou(boxes1, boxes2)
    # in chunks of rows: allocating a dozen temporaries of the whole matrix takes longer than the arithmetic
    rows = max(_CHUNK // second, 1)
    parts = [_iou(boxes1[..., start : start + rows, :], boxes2) for start in range(0, first, rows)]
    return ops.concatenate(parts, axis=-2)


def overlap_of_first(boxes: Tensor, regions: Tensor) -> Tensor:
    """Computes the share of each box's area that lies inside each region.

    COCO uses this measure instead of the IoU for crowd regions.

    Args:
        boxes: `[..., N, 4]` number, yxyx.
        regions: `[..., M, 4]` number, yxyx; leading axes broadcast against those of `boxes`.

    Returns:
        `[..., N, M]` float32 in 0..1; 0 where either is degenerate.
    """
    return ops.divide_no_nan(intersection(boxes, regions), area(boxes)[..., :, None])


def clip(boxes: Tensor, windows: Tensor) -> Tensor:
    """Clips boxes to windows.

    Args:
        boxes: `[..., 4]` number, yxyx.
        windows: number, yxyx, broadcastable to `boxes`: `[4]` or `[B, 1, 4]`.

    Returns:
        The shape of `boxes`, float32; a box outside its window becomes degenerate, on the window's edge.
    """
    boxes = ops.cast(boxes, "float32")
    windows = ops.cast(windows, "float32")
    low = ops.concatenate([windows[..., :2], windows[..., :2]], axis=-1)
    high = ops.concatenate([windows[..., 2:], windows[..., 2:]], axis=-1)
    return ops.minimum(ops.maximum(boxes, low), high)


def _iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    shared = intersection(boxes1, boxes2)
    union = area(boxes1)[..., :, None] + area(boxes2)[..., None, :] - shared
    return ops.divide_no_nan(shared, union)


def _edges(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    boxes = ops.cast(boxes, "float32")
    if boxes.shape[-1] != 4:
        raise ValueError(f"boxes must have 4 numbers on the last axis, got shape {tuple(boxes.shape)}")
    return boxes[..., 0], boxes[..., 1], boxes[..., 2], boxes[..., 3]
