"""The keypoint head's loss: a softmax over the cells of each point's map.

Source: Mask R-CNN (2017), section 5; the two normalizers are detectron2's.
"""

from keras import ops

from mrcnn.heads.keypoint.targets import KeypointTargets
from mrcnn.ops import reduction
from mrcnn.structures import Tensor


def mrcnn_keypoint_loss(
    logits: Tensor,
    targets: KeypointTargets,
    *,
    static_count: Tensor | None = None,
    across: reduction.Across = reduction.identity,
) -> Tensor:
    """Averages the cross-entropy between each point's map and its cell.

    Args:
        logits: `[P, S, S, K]`.
        targets: points of weight 0 do not count.
        static_count: divisor of the sum, this device's share of it; None for the number of points that count, so that
            each of them has the same weight in every batch.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without a point that counts.
    """
    cells, points = logits.shape[1] * logits.shape[2], logits.shape[3]
    # [P, S, S, K] -> [P, K, S*S]
    flat = ops.transpose(ops.reshape(ops.cast(logits, "float32"), (-1, cells, points)), (0, 2, 1))
    own = ops.take_along_axis(flat, targets.cells[..., None], axis=2)[..., 0]
    values = ops.logsumexp(flat, axis=2) - own
    if static_count is None:
        return reduction.weighted_mean(values, targets.weights, across=across)
    return ops.sum(values * targets.weights) / ops.maximum(across(static_count), 1.0)
