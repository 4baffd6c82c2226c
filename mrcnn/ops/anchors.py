"""Anchors: the fixed boxes that the region proposal network scores and moves.

Anchors depend on shapes only. NumPy computes them once if the shapes are known when the graph is traced; else the graph
computes the same values.
Source: Matterport's order (level, row, column, ratio) and sides (h = size / sqrt(r), w = size * sqrt(r)).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from mrcnn.structures import Count, Tensor


def level_anchors(
    height: Count,
    width: Count,
    *,
    stride: Count | tuple[Count, Count],
    size: float | Sequence[float],
    aspect_ratios: Sequence[float],
    offset: float,
    rounded: bool = False,
) -> Tensor:
    """Places anchors on every cell of one feature map.

    Args:
        height: rows of the map.
        width: columns of the map.
        stride: pixels of the model input between two cells, or two such numbers (y, x).
        size: square root of an anchor's area in pixels, or several of them.
        aspect_ratios: width / height of the anchors of a cell.
        offset: where in its cell an anchor's centre lies, in strides: 0 the corner (Matterport), 0.5 the middle.
        rounded: whether half sides are rounded to whole pixels, halves to even, as in torchvision.

    Returns:
        `[height * width * A, 4]` float32, yxyx pixels of the model input, neither clipped nor rounded: row by row,
        column by column, then size by size, ratio last.

    Raises:
        ValueError: a stride, size or ratio is not positive.
    """
    sizes = np.atleast_1d(np.asarray(size, np.float64))
    ratios = np.asarray(aspect_ratios, np.float64)
    strides = stride if isinstance(stride, tuple) else (stride, stride)
    if any(isinstance(side, int | float) and side <= 0 for side in strides) or min(*sizes, *ratios) <= 0:
        raise ValueError(
            f"anchor strides, sizes and aspect ratios must be positive, got {stride}, {size} and {aspect_ratios}"
        )
    roots = np.sqrt(ratios)[None, :]
    half_heights = (0.5 * sizes[:, None] / roots).ravel()  # [A]
    half_widths = (0.5 * sizes[:, None] * roots).ravel()
    if rounded:
        half_heights, half_widths = np.round(half_heights), np.round(half_widths)
    is_known = all(isinstance(value, int | float) for value in (height, width, *strides))
    maths: Any = np if is_known else ops
    steps = strides if is_known else [ops.cast(side, "float64") for side in strides]
    y = ((maths.arange(height, dtype="float64") + offset) * steps[0])[:, None, None]
    x = ((maths.arange(width, dtype="float64") + offset) * steps[1])[None, :, None]
    all_cells = 0.0 * (x + y)
    edges = [all_cells + edge for edge in (y - half_heights, x - half_widths, y + half_heights, x + half_widths)]
    boxes = maths.reshape(maths.stack(edges, axis=-1), (-1, 4))  # [H, W, A, 4] -> [H*W*A, 4]
    return boxes.astype(np.float32) if maths is np else ops.cast(boxes, "float32")


def pyramid_anchors(
    feature_shapes: Sequence[tuple[Count, Count]],
    *,
    strides: Sequence[Count | tuple[Count, Count]],
    sizes: Sequence[float | Sequence[float]],
    aspect_ratios: Sequence[float],
    offset: float,
    rounded: bool = False,
) -> Tensor:
    """Places anchors on every level of a feature pyramid.

    Args:
        feature_shapes: (rows, columns) of each level's map.
        strides: as in `level_anchors`, one per level.
        sizes: one per level, each a number or a tuple of numbers.
        aspect_ratios: width / height of the anchors of a cell.
        offset: as in `level_anchors`.
        rounded: as in `level_anchors`.

    Returns:
        `[A, 4]` float32, yxyx pixels of the model input; the levels are concatenated in the given order.

    Raises:
        ValueError: `feature_shapes`, `strides` and `sizes` differ in length, or a number is not positive.
    """
    if not len(feature_shapes) == len(strides) == len(sizes):
        raise ValueError(
            "anchors need one stride and one size per pyramid level, "
            f"got {len(feature_shapes)} levels, {len(strides)} strides and {len(sizes)} sizes"
        )
    levels = [
        level_anchors(
            height, width, stride=stride, size=size, aspect_ratios=aspect_ratios, offset=offset, rounded=rounded
        )
        for (height, width), stride, size in zip(feature_shapes, strides, sizes, strict=True)
    ]
    levels.insert(0, np.zeros((0, 4), np.float32))
    is_known = all(isinstance(level, np.ndarray) for level in levels)
    return np.concatenate(levels) if is_known else ops.concatenate(levels)
