"""Chooses the points of masks that are least certain, and refines masks there step by step.

A point is the less certain, the nearer its logit is to 0. Only logits of each region's own class count.
Shape letters: P regions, M side of a coarse mask, S side of a mask, K points of a region.
Source: PointRend (2020), sections 3.1 and 3.2; detectron2's `get_uncertain_point_coords_with_randomness` and
`PointRendMaskHead._subdivision_inference`.
"""

from collections.abc import Callable

from keras import ops

from mrcnn.heads.mask.point_loss import sample
from mrcnn.ops import points
from mrcnn.ops.backend.current import native
from mrcnn.structures import Tensor

OVERSAMPLING = 3  # candidates for each training point
UNCERTAIN_SHARE = 0.75  # of the training points; the others are uniform


def numbers_for(count: int) -> int:
    """Counts the random points from which `training_places` chooses `count`: candidates and uniform points."""
    return OVERSAMPLING * count + count - int(UNCERTAIN_SHARE * count)


def training_places(coarse: Tensor, random: Tensor, *, count: int) -> Tensor:
    """Chooses the points of each region that train: the least certain of the candidates, and uniform ones.

    Args:
        coarse: `[P, M, M]` float32, coarse logits.
        random: `[P, numbers_for(count), 2]` float32, uniform in 0..1: first the candidates, then the uniform points.
        count: K.

    Returns:
        `[P, K, 2]` float32, (x, y) in shares of the region's sides, the uncertain ones first. Without gradient.
    """
    candidates, uniform = random[:, : OVERSAMPLING * count], random[:, OVERSAMPLING * count :]
    certainty = ops.abs(sample(coarse, candidates))
    _, index = native.top_k(-certainty, k=int(UNCERTAIN_SHARE * count))
    chosen = ops.take_along_axis(candidates, ops.cast(index, "int32")[..., None], axis=1)
    return ops.stop_gradient(ops.concatenate([chosen, uniform], axis=1))


def subdivide(predict: Callable[[Tensor], Tensor], regions: int | Tensor, *, start: int, size: int) -> Tensor:
    """Predicts a coarse mask of each region, then doubles its sides and predicts the least certain points anew.

    Each doubling is followed by `start * start` new predictions, so that the first mask is predicted everywhere and
    all later ones where they are uncertain. detectron2 begins with smaller masks only if some of their points would
    keep their values.

    Args:
        predict: computes logits `[P, K]` at points `[P, K, 2]`, (x, y) in shares of the region's sides.
        regions: P.
        start: side of the first mask.
        size: S, `start` times a power of two.

    Returns:
        `[P, S, S]` float32 logits.
    """
    first = ops.tile(points.grid(start)[None], (regions, 1, 1))
    logits, side = ops.reshape(predict(first), (-1, start, start)), start
    while side < size:
        logits, side = doubled(logits), 2 * side
        index = least_certain(logits, count=start * start)
        logits = replaced(logits, index, predict(ops.take(points.grid(side), index, axis=0)))
    return logits


def doubled(logits: Tensor) -> Tensor:
    """Doubles the sides of masks, bilinear between the middles of cells and constant beyond the outermost.

    Args:
        logits: `[P, S, S]` float32.

    Returns:
        `[P, 2S, 2S]` float32.
    """
    side = logits.shape[1]
    return ops.image.resize(logits[..., None], (2 * side, 2 * side), interpolation="bilinear")[..., 0]


def least_certain(logits: Tensor, *, count: int) -> Tensor:
    """Finds the cells whose logits are nearest to 0.

    Args:
        logits: `[P, S, S]` float32.
        count: K, at most S * S.

    Returns:
        `[P, K]` int32, the cells' positions row by row, the least certain first.
    """
    side = logits.shape[1]
    _, index = native.top_k(-ops.abs(ops.reshape(logits, (-1, side * side))), k=count)
    return ops.cast(index, "int32")


def replaced(logits: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Replaces the values of some cells.

    Args:
        logits: `[P, S, S]` float32.
        index: `[P, K]` int32, positions of cells row by row, each at most once.
        values: `[P, K]` float32, their new values.

    Returns:
        `[P, S, S]` float32.
    """
    side, cells = logits.shape[1], logits.shape[1] ** 2
    first = ops.arange(ops.shape(logits)[0], dtype="int32")[:, None] * cells
    places = ops.reshape(first + index, (-1, 1))
    flat = ops.scatter_update(ops.reshape(logits, (-1,)), places, ops.reshape(values, (-1,)))
    return ops.reshape(flat, (-1, side, side))
