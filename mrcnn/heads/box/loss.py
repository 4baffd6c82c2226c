"""The box head's two losses.

Source: Fast R-CNN (2015), section 2.3, in the forms of Matterport and torchvision.
"""

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
    values = ops.sparse_categorical_crossentropy(targets.class_ids, ops.cast(logits, "float32"), from_logits=True)
    return reduction.weighted_mean(values, ops.cast(targets.valid, "float32"), across=across)


def mrcnn_bbox_loss(
    deltas: Tensor,
    targets: RoiTargets,
    *,
    average: str = "objects",
    beta: float | None = None,
    across: reduction.Across = reduction.identity,
) -> Tensor:
    """Averages smooth L1 over the four deltas of each object region's own class.

    Args:
        deltas: `[B, R, C, 4]`.
        targets: only regions with a class above 0 count.
        average: see `reduction.box_loss`.
        beta: see `reduction.box_loss`.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without an object region.
    """
    own = ops.take_along_axis(deltas, targets.class_ids[..., None, None], axis=2)[:, :, 0]  # [B, R, 4]
    return reduction.box_loss(
        ops.cast(own, "float32") - targets.deltas,
        objects=targets.class_ids > 0,
        sampled=targets.valid,
        average=average,
        beta=beta,
        across=across,
    )
