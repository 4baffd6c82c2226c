"""The box head's two losses.

Source: Fast R-CNN (2015), section 2.3, in the forms of Matterport and torchvision; `sigmoid_class_loss` as in
detectron2's `FastRCNNOutputLayers.sigmoid_cross_entropy_loss`.
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


def sigmoid_class_loss(
    logits: Tensor,
    targets: RoiTargets,
    *,
    classes: Tensor | None = None,
    across: reduction.Across = reduction.identity,
) -> Tensor:
    """Averages the sum of the binary cross-entropies of the classes over the sampled regions.

    A region of background has none of the classes; the logit of class 0 has no effect.

    Args:
        logits: `[B, R, C]`.
        targets: slots that are not valid do not count.
        classes: `[C]` float32, 1 for a class that counts, else 0; None counts all.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without a valid slot.
    """
    logits = ops.cast(logits, "float32")
    truth = ops.one_hot(targets.class_ids, logits.shape[-1], dtype="float32")
    values = ops.binary_crossentropy(truth[..., 1:], logits[..., 1:], from_logits=True)  # [B, R, C - 1]
    values = values if classes is None else values * classes[1:]
    return reduction.weighted_mean(ops.sum(values, axis=-1), ops.cast(targets.valid, "float32"), across=across)


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
