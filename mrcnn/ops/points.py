"""Values of maps at points, bilinear between the middles of their cells.

Around a map are cells of 0, as in PyTorch's `grid_sample`.
Shape letters: B images, P regions, K points of a region, M side of a region's map, Hl Wl size of a feature map,
C channels.
Source: PointRend (2020), section 3.1; detectron2's `point_sample` with `align_corners=False`.
"""

import itertools

from keras import ops

from mrcnn.ops import boxes
from mrcnn.structures import Size, Tensor


def grid(side: int) -> Tensor:
    """Lists the middles of a region's cells, row by row.

    Args:
        side: cells along each side.

    Returns:
        `[side * side, 2]` float32, (x, y) in shares of the region's sides.
    """
    middles = (ops.arange(side, dtype="float32") + 0.5) / side
    return ops.stack([ops.tile(middles, side), ops.repeat(middles, side)], axis=-1)


def in_pixels(places: Tensor, rois: Tensor) -> Tensor:
    """Converts points from shares of their regions to pixels.

    Args:
        places: `[P, K, 2]` float32, (x, y) in shares of the region's sides.
        rois: `[P, 4]` float32, yxyx pixels.

    Returns:
        `[P, K, 2]` float32, (x, y) pixels.
    """
    start, end = boxes.corners_xy(rois[:, None])  # [P, 1, 2]
    return start + places * (end - start)


def read_features(features: Tensor, points: Tensor, image_index: Tensor, *, image_size: Size) -> Tensor:
    """Reads a feature map at points of images.

    Args:
        features: `[B, Hl, Wl, C]`, any float dtype.
        points: `[P, K, 2]` float32, (x, y) pixels of the model input.
        image_index: `[P]` int32, the image of each row of points.
        image_size: (H, W) of the model input.

    Returns:
        `[P, K, C]` in the features' dtype; 0 at a point that is half a cell or more outside the map. No gradient
        reaches the points.
    """
    points = ops.stop_gradient(points)
    rows, columns = ops.shape(features)[1:3]
    flat = ops.reshape(features, (-1, features.shape[-1]))  # also makes the sparse gradient of `take` dense
    around_y = _neighbours(points[..., 1], length=rows, extent=image_size[0])
    around_x = _neighbours(points[..., 0], length=columns, extent=image_size[1])
    total = 0.0
    for (row, row_weight), (column, column_weight) in itertools.product(around_y, around_x):
        index = (image_index[:, None] * rows + row) * columns + column
        weight = (row_weight * column_weight)[..., None]
        total = total + weight * ops.cast(ops.take(flat, index, axis=0), "float32")
    return ops.cast(total, features.dtype)


def read_maps(maps: Tensor, places: Tensor) -> Tensor:
    """Reads the maps of regions at their own points.

    Args:
        maps: `[P, M, M, C]` float32, rows first.
        places: `[P, K, 2]` float32, (x, y) in shares of the region's sides.

    Returns:
        `[P, K, C]` float32; 0 at a point that is half a cell or more outside the map.
    """
    side, channels = maps.shape[2:]
    middles = ops.arange(side, dtype="float32") + 0.5
    shares = ops.maximum(1.0 - ops.abs(places[..., None] * float(side) - middles), 0.0)  # [P, K, 2, M]
    weights = shares[:, :, 1, :, None] * shares[:, :, 0, None, :]  # [P, K, M, M]
    weights = ops.reshape(weights, (-1, weights.shape[1], side * side))
    return ops.matmul(weights, ops.reshape(maps, (-1, side * side, channels)))


def _neighbours(pixels: Tensor, *, length: Tensor | int, extent: Tensor | float) -> list[tuple[Tensor, Tensor]]:
    """Finds the two cells around each point along one axis.

    Args:
        pixels: `[P, K]` float32, in pixels of the image.
        length: cells of the axis.
        extent: side of the image in pixels.

    Returns:
        (index, weight) of the lower and of the upper cell, each `[P, K]`, int32 and float32; the weight of a cell
        outside the map is 0.
    """
    last = ops.cast(length, "float32") - 1.0
    position = pixels / ops.cast(extent, "float32") * ops.cast(length, "float32") - 0.5
    low = ops.floor(position)
    fraction = position - low
    found = []
    for cell, weight in ((low, 1.0 - fraction), (low + 1.0, fraction)):
        inside = (cell >= 0.0) & (cell <= last)
        found.append((ops.cast(ops.clip(cell, 0.0, last), "int32"), ops.where(inside, weight, 0.0)))
    return found
