"""Targets of the keypoint head: each point's cell in the region's grid.

Shape letters: P regions, K points, S side of the grid.
Source: Mask R-CNN (2017), section 5, by detectron2's rule for cells.
"""

from typing import NamedTuple

from keras import ops

from mrcnn.ops import boxes
from mrcnn.structures import Tensor


class KeypointTargets(NamedTuple):
    """Targets of the keypoint loss.

    Attributes:
        cells: `[P, K]` int32, row-major index of the point's cell in the S x S grid; 0 where `weights` is 0.
        weights: `[P, K]` float32, 1 for a point that is annotated and inside its region, else 0.
    """

    cells: Tensor
    weights: Tensor


def keypoint_targets(points: Tensor, rois: Tensor, *, size: int) -> KeypointTargets:
    """Finds the cell of each point of each region's object.

    A point exactly on the right or lower side lies in the last column or row. A hidden point counts as a visible one.

    Args:
        points: `[P, K, 3]` float32: x, y in pixels, and v as in COCO: 0 not annotated, 1 hidden, 2 visible.
        rois: `[P, 4]` float32, yxyx in the same pixels.
        size: S.

    Returns:
        `KeypointTargets`; a region without area has weights 0.
    """
    start, end = boxes.corners_xy(rois[:, None])  # [P, 1, 2]
    sides = end - start
    places = points[..., :2]
    cells = ops.floor((places - start) * (size / ops.where(sides > 0, sides, 1.0)))
    cells = ops.where(places == end, float(size - 1), cells)
    inside = ops.all((cells >= 0) & (cells < size) & (sides > 0), axis=-1) & (points[..., 2] > 0)
    index = ops.cast(ops.where(inside, cells[..., 1] * size + cells[..., 0], 0.0), "int32")
    return KeypointTargets(ops.stop_gradient(index), ops.cast(inside, "float32"))
