"""Resampling of masks between a box's own grid and an image's pixels.

The usual rule: S x S cells divide the box, and each value sits at the middle of its cell. Between the middles, values
are bilinear; from the outermost middles to the box's edges they stay constant (no fading); outside the box they are 0.
Other rules, for older models, have names: `grid="corners"` for cropping, those of `mask_paste.METHODS` for pasting.
Bilinear interpolation is separable, so it is two matrix products: rows' weights, then columns' weights.
Shape letters: N or P masks, M side of a predicted mask, S side of a stored mask, H W image.
"""

from keras import ops

from mrcnn.ops.mask_paste import check, placed
from mrcnn.structures import Tensor


def crop_masks(masks: Tensor, gt_boxes: Tensor, rois: Tensor, *, output_size: int, grid: str = "cells") -> Tensor:
    """Samples objects' stored masks on the grids of regions.

    Args:
        masks: `[..., S, S]` uint8, the share of each cell of the object's box that the object covers, 0-255.
        gt_boxes: `[..., 4]` float, yxyx, the box each mask covers.
        rois: `[..., 4]` float, yxyx, same frame as `gt_boxes`.
        output_size: M, cells along each side of a region's grid, at least 2.
        grid: "cells": values sit at the middles of the cells of region and mask; "corners": M and S points span both
            from edge to edge (Matterport, tf.image.crop_and_resize), which shrinks an object by half a cell.

    Returns:
        `[..., M, M]` float32 in 0..1: the stored mask at each point of the region; 0 outside the object's box. Zeros
        for a degenerate object.

    Raises:
        ValueError: `grid` is neither of them.
    """
    if grid not in ("cells", "corners"):
        raise ValueError(f'grid must be "cells" or "corners", got {grid!r}')
    gt_boxes, rois = ops.cast(gt_boxes, "float32"), ops.cast(rois, "float32")
    values = ops.cast(masks, "float32") / 255.0
    steps = ops.arange(output_size, dtype="float32")
    shares = steps / (output_size - 1) if grid == "corners" else (steps + 0.5) / output_size
    weigh = _corner_weights if grid == "corners" else _weights
    weights = []
    for axis in (0, 1):
        start, end = rois[..., axis, None], rois[..., axis + 2, None]
        points = start + shares * (end - start)
        size = values.shape[axis - 2]
        weights.append(weigh(points, gt_boxes[..., axis, None], gt_boxes[..., axis + 2, None], size=size))
    return _interpolate(values, *weights)


def read_masks(masks: Tensor, gt_boxes: Tensor, points: Tensor) -> Tensor:
    """Reads objects' stored masks at points, by the rule of `crop_masks` for cells.

    Args:
        masks: `[P, S, S]` uint8, as for `crop_masks`.
        gt_boxes: `[P, 4]` float, yxyx, the box each mask covers.
        points: `[P, K, 2]` float32, (x, y), same frame as `gt_boxes`.

    Returns:
        `[P, K]` float32 in 0..1; 0 outside the object's box. Zeros for a degenerate object.
    """
    values, gt_boxes = ops.cast(masks, "float32") / 255.0, ops.cast(gt_boxes, "float32")
    columns, rows = (
        _weights(points[..., axis], gt_boxes[:, 1 - axis, None], gt_boxes[:, 3 - axis, None], size=values.shape[-1])
        for axis in (0, 1)
    )
    # [P, K, S] @ [P, S, S]: a row of values along x for each point
    return ops.sum(ops.matmul(rows, values) * columns, axis=-1)


def paste_masks(
    masks: Tensor, boxes: Tensor, *, height: int | Tensor, width: int | Tensor, method: str = "bilinear"
) -> Tensor:
    """Resizes masks to their boxes and pastes each into an image.

    Args:
        masks: `[N, M, M]` float, probabilities.
        boxes: `[N, 4]` float, yxyx pixels of the image.
        height: H, rows of the image; a Python int or a scalar tensor.
        width: W, columns of the image; likewise.
        method: `bilinear`; `fading`: values fall from the outermost cells' middles outwards as if 0 lay beyond, but not
            below the mask's least value (Matterport, by scikit-image); `stretched`: each mask is first rescaled from
            its own minimum and maximum to 0..1, and the filter widens when shrinking (the Supervisely plugin, by
            Pillow); `expanded`: as `bilinear`, after `mask_paste.placed` (torchvision); `sampled`: as `fading`, but
            values fall as low as 0 (detectron2).

    Returns:
        `[N, H, W]` float32: the probability at each pixel's middle, 0 outside the box and for a degenerate box; outside
        the box of `mask_paste.placed` for `expanded`.

    Raises:
        ValueError: `method` is not one of `mask_paste.METHODS`.
    """
    check(method)
    masks, boxes = placed(ops.cast(masks, "float32"), ops.cast(boxes, "float32"), method=method, maths=ops)
    if method == "stretched":
        low = ops.min(masks, axis=(-2, -1), keepdims=True)
        masks = ops.divide_no_nan(masks - low, ops.max(masks, axis=(-2, -1), keepdims=True) - low)
    weights, inside = [], []
    for axis, length in enumerate((height, width)):
        points = ops.arange(length, dtype="float32") + 0.5
        start, end = boxes[..., axis, None], boxes[..., axis + 2, None]
        weights.append(_weights(points, start, end, size=masks.shape[axis - 2], method=method))
        inside.append(ops.cast((points >= start) & (points < end), "float32"))
    pasted = _interpolate(masks, *weights)
    if method == "fading":
        least = ops.min(masks, axis=(-2, -1), keepdims=True)
        pasted = ops.maximum(pasted, least * inside[0][..., :, None] * inside[1][..., None, :])
    return pasted


def _interpolate(values: Tensor, row_weights: Tensor, column_weights: Tensor) -> Tensor:
    # [..., H, S] @ [..., S, S] -> [..., H, S]; @ [..., S, W] -> [..., H, W]
    columns = ops.swapaxes(column_weights, -1, -2)
    return ops.matmul(ops.matmul(row_weights, values), columns)


def _weights(points: Tensor, start: Tensor, end: Tensor, *, size: int, method: str = "bilinear") -> Tensor:
    """Computes the weights of a grid's values at points along one side of a box.

    Args:
        points: `[..., K]` float32.
        start: where the box's side begins, broadcastable to `points`.
        end: where it ends, likewise.
        size: values of the grid along this side.
        method: as for `paste_masks`.

    Returns:
        `[..., K, size]` float32; 0 at points outside the side.
    """
    side = end - start
    position = ops.divide_no_nan(points - start, side) * size - 0.5
    if method in ("bilinear", "expanded"):
        position = ops.clip(position, 0.0, size - 1.0)
    distance = ops.abs(position[..., None] - ops.arange(size, dtype="float32"))
    if method == "stretched":
        distance = distance / ops.maximum(ops.divide_no_nan(float(size), side), 1.0)[..., None]
    weights = ops.maximum(1.0 - distance, 0.0)
    if method == "stretched":  # a filter that reaches over the border averages its part inside
        weights = ops.divide_no_nan(weights, ops.sum(weights, axis=-1, keepdims=True))
    inside = (points >= start) & (points < end)
    return ops.where(inside[..., None], weights, 0.0)


def _corner_weights(points: Tensor, start: Tensor, end: Tensor, *, size: int) -> Tensor:
    """Computes the weights for a grid whose outer values lie on the side's ends.

    Both ends count as inside.
    """
    position = ops.divide_no_nan(points - start, end - start) * (size - 1.0)
    weights = ops.maximum(1.0 - ops.abs(position[..., None] - ops.arange(size, dtype="float32")), 0.0)
    inside = (position >= 0.0) & (position <= size - 1.0) & (end > start)
    return ops.where(inside[..., None], weights, 0.0)
