"""The box head's two losses. Source: Fast R-CNN (2015), section 2.3; normalised as Matterport does."""

from keras import ops

from mrcnn.ops import reduction
from mrcnn.structures import RoiTargets, Tensor


def mrcnn_class_loss(logits: Tensor, targets: RoiTargets, *, across: reduction.Across = reduction.identity) -> Tensor:
    """Averages the cross-entropy of the class over the sampled regions.

    Args:
        logits: `[B, R, C]`.
        targets: slots that are not valid do not count.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without a valid slot.
    """
    return reduction.weighted_mean(
        reduction.cross_entropy(logits, targets.class_ids), ops.cast(targets.valid, "float32"), across=across
    )


def mrcnn_bbox_loss(deltas: Tensor, targets: RoiTargets, *, across: reduction.Across = reduction.identity) -> Tensor:
    """Averages smooth L1 over the four deltas of each object region's own class.

    Args:
        deltas: `[B, R, C, 4]`.
        targets: only regions with a class above 0 count.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without an object region.
    """
    own = ops.take_along_axis(deltas, targets.class_ids[..., None, None], axis=2)[:, :, 0]  # [B, R, 4]
    weights = ops.broadcast_to(ops.cast(targets.class_ids > 0, "float32")[..., None], ops.shape(own))
    values = reduction.smooth_l1(ops.cast(own, "float32") - targets.deltas)
    return reduction.weighted_mean(values, weights, across=across)
