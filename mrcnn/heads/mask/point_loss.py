"""The loss of a mask head that learns from labelled points: cross-entropy of logits read at the points.

Shape letters: P regions, M mask side, C classes with background, K points.
Source: Cheng, Parkhi and Kirillov (2021), Pointly-Supervised Instance Segmentation, section 4.
"""

from keras import ops

from mrcnn.heads.mask.loss import of_class
from mrcnn.ops import reduction
from mrcnn.structures import Tensor


def mrcnn_point_loss(
    logits: Tensor,
    *,
    places: Tensor,
    labels: Tensor,
    class_ids: Tensor,
    weights: Tensor,
    drawn: Tensor,
    across: reduction.Across = reduction.identity,
) -> Tensor:
    """Sums the binary cross-entropy over the points that count and divides it by the number of points drawn.

    So a region has less weight that contains few of its object's points, as in the published code.

    Args:
        logits: `[P, M, M, C]`, or `[P, M, M, 1]` of one mask for all classes.
        places: `[P, K, 2]` float32, as for `sample`.
        labels: `[P, K]` float32, 1 object, 0 background.
        class_ids: `[P]` int32.
        weights: `[P, K]` float32, 0 or 1; points of weight 0 do not count.
        drawn: `[P, K]` float32, 0 or 1; 1 for those that are in the divisor, among them all of weight 1.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without a point of weight 1.
    """
    sampled = sample(ops.cast(of_class(logits, class_ids), "float32"), places)
    return loss_at_points(sampled, labels=labels, weights=weights, drawn=drawn, across=across)


def loss_at_points(
    logits: Tensor,
    *,
    labels: Tensor,
    weights: Tensor,
    drawn: Tensor,
    across: reduction.Across = reduction.identity,
) -> Tensor:
    """Computes the loss of logits `[P, K]` at points; arguments and result are those of `mrcnn_point_loss`."""
    values = ops.binary_crossentropy(labels, logits, from_logits=True)
    return ops.sum(values * weights) / ops.maximum(ops.stop_gradient(across(ops.sum(drawn))), 1.0)


def sample(maps: Tensor, places: Tensor) -> Tensor:
    """Reads maps at points, bilinear between the middles of their cells.

    Around a map are cells of 0, so values fall to half from the middle of an outermost cell to the edge.

    Args:
        maps: `[P, M, M]` float32, rows first.
        places: `[P, K, 2]` float32, (x, y) in shares of the sides: 0 left or top, 1 right or bottom.

    Returns:
        `[P, K]` float32; 0 at a point that is half a cell or more outside the map.
    """
    side = maps.shape[-1]
    middles = ops.arange(side, dtype="float32") + 0.5
    # [P, K, 2, M]: the weight of each column and row at each point
    shares = ops.maximum(1.0 - ops.abs(places[..., None] * float(side) - middles), 0.0)
    rows = ops.matmul(shares[:, :, 1], maps)  # [P, K, M] @ [P, M, M], a row of values along x for each point
    return ops.sum(rows * shares[:, :, 0], axis=-1)
