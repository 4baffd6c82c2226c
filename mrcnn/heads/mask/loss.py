"""The mask head's loss: binary cross-entropy of the mask of the true class.

Source: Mask R-CNN (2017), section 3.
"""

from keras import ops

from mrcnn.ops import reduction
from mrcnn.structures import MaskTargets, Tensor


def mrcnn_mask_loss(logits: Tensor, targets: MaskTargets, *, across: reduction.Across = reduction.identity) -> Tensor:
    """Averages the binary cross-entropy over the cells of the object regions' masks.

    Args:
        logits: `[P, M, M, C]`, or `[P, M, M, 1]` of one mask for all classes.
        targets: cells of weight 0 do not count.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without a cell of weight 1.
    """
    own = of_class(logits, targets.class_ids)
    values = ops.binary_crossentropy(targets.masks, ops.cast(own, "float32"), from_logits=True)
    return reduction.weighted_mean(values, targets.weights, across=across)


def of_class(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Selects the mask of each region's class.

    Args:
        logits: `[P, M, M, C]`, or `[P, M, M, 1]` of one mask for all classes.
        class_ids: `[P]` int32.

    Returns:
        `[P, M, M]`.
    """
    if logits.shape[-1] == 1:
        return logits[..., 0]
    return ops.take_along_axis(logits, class_ids[:, None, None, None], axis=3)[..., 0]
