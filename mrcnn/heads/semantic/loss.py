"""The loss of the semantic head. Source: Kirillov et al. (2019), Panoptic Feature Pyramid Networks, section 3.1."""

from keras import ops

from mrcnn.ops import reduction
from mrcnn.structures import UNLABELLED, Tensor


def mrcnn_semantic_loss(logits: Tensor, classes: Tensor, *, across: reduction.Across = reduction.identity) -> Tensor:
    """Averages the cross-entropy over the labelled pixels.

    Args:
        logits: `[B, H, W, C]` float32.
        classes: `[B, H, W]` uint8, 0..C-1; pixels of `UNLABELLED` do not count.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar, this device's share; 0 without a labelled pixel, where detectron2 has NaN.
    """
    counted = classes != UNLABELLED
    known = ops.where(counted, ops.cast(classes, "int32"), 0)
    values = ops.sparse_categorical_crossentropy(known, logits, from_logits=True)
    return reduction.weighted_mean(values, ops.cast(counted, "float32"), across=across)
