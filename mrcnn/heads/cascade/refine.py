"""Refines the boxes between the stages of a cascade and averages the stages' scores.

Source: Cascade R-CNN (2018), section 4, as detectron2 builds it (`modeling/roi_heads/cascade_rcnn.py`).
Shape letters: B images, R regions, C classes with background.
"""

from collections.abc import Sequence

from keras import ops

from mrcnn.heads.box.decode import SOFTMAX, class_scores
from mrcnn.ops import box_coding, boxes
from mrcnn.structures import Tensor


def refine_boxes(regions: Tensor, deltas: Tensor, windows: Tensor, *, delta_std: Sequence[float]) -> Tensor:
    """Applies a stage's deltas to its regions and clips them: the regions of the next stage.

    Args:
        regions: `[B, R, 4]` float32, yxyx.
        deltas: `[B, R, 4]` float, predicted for the regions, one box for all classes.
        windows: `[B, 4]` float32, yxyx, the un-padded part of each image; the frame of `regions`.
        delta_std: what the stage's deltas were divided by.

    Returns:
        `[B, R, 4]` float32. No gradient flows through it. A region without area stays without area, and so does one
        that its deltas move out of the window.
    """
    moved = box_coding.decode_boxes(deltas, regions, delta_std=delta_std)
    return ops.stop_gradient(boxes.clip(moved, windows[:, None, :]))


def average_scores(class_logits: Sequence[Tensor], *, scoring: str = SOFTMAX) -> Tensor:
    """Averages the class probabilities of the stages.

    Args:
        class_logits: `[B, R, C]` of each stage, of the same regions before and after their boxes were refined.
        scoring: see `class_scores`.

    Returns:
        `[B, R, C]` float32; with softmax the scores of a region add up to 1.
    """
    total = sum(class_scores(logits, scoring=scoring) for logits in class_logits)
    return total / len(class_logits)


def scale_gradient(values: Tensor, factor: float) -> Tensor:
    """Multiplies the gradient of values by a factor and leaves the values as they are.

    Args:
        values: any shape, finite floats.
        factor: of the gradient.

    Returns:
        The same values; where `values` depends on variables, their gradient is `factor` times as large.
    """
    fixed = ops.stop_gradient(values)
    return fixed + factor * (values - fixed)  # the difference is 0, exactly
