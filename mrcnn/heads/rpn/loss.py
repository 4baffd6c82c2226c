"""The RPN's two losses.

Source: Faster R-CNN (2015), section 3.1.2, in the forms of Matterport and torchvision.
"""

from keras import ops

from mrcnn.ops import reduction
from mrcnn.structures import AnchorTargets, Tensor


def rpn_class_loss(logits: Tensor, targets: AnchorTargets, *, across: reduction.Across = reduction.identity) -> Tensor:
    """Averages the cross-entropy of object against background over the sampled anchors.

    Args:
        logits: `[B, A, 2]` (background, object).
        targets: anchors whose state is -1 do not count.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without a sampled anchor.
    """
    sampled, classes = ops.cast(targets.state >= 0, "float32"), ops.maximum(targets.state, 0)
    values = ops.sparse_categorical_crossentropy(classes, ops.cast(logits, "float32"), from_logits=True)
    return reduction.weighted_mean(values, sampled, across=across)


def rpn_bbox_loss(
    deltas: Tensor,
    targets: AnchorTargets,
    *,
    average: str = "objects",
    beta: float | None = None,
    across: reduction.Across = reduction.identity,
) -> Tensor:
    """Averages smooth L1 over the four deltas of the object anchors.

    Args:
        deltas: `[B, A, 4]`.
        targets: only anchors of state 1 count.
        average: see `reduction.box_loss`.
        beta: see `reduction.box_loss`.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar; 0 without an object anchor.
    """
    return reduction.box_loss(
        ops.cast(deltas, "float32") - targets.deltas,
        objects=targets.state == 1,
        sampled=targets.state >= 0,
        average=average,
        beta=beta,
        across=across,
    )
