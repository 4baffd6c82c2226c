"""Matching of anchors and regions to ground-truth objects.

Shape letters: B images, A anchors, R regions, N padded ground truth.
"""

from keras import ops

from mrcnn.ops.backend.current import native
from mrcnn.structures import Tensor


def match_anchors(iou: Tensor, gt_valid: Tensor, *, positive_iou: float, negative_iou: float) -> tuple[Tensor, Tensor]:
    """Classifies anchors as object, background or ignored by their IoU with objects.

    An anchor is an object if its best IoU reaches `positive_iou` or if no anchor overlaps some object more (ties
    included), background if its best IoU is below `negative_iou`, else ignored.

    Args:
        iou: `[B, A, N]` float, of anchors and ground truth.
        gt_valid: `[B, N]` bool, the slot holds an object.
        positive_iou: the IoU from which an anchor is an object.
        negative_iou: the IoU below which an anchor is background.

    Returns:
        state: `[B, A]` int32: 1 object, 0 background, -1 ignored. All 0 in an image without objects.
        matched_idx: `[B, A]` int32, the object the anchor overlaps most (the first of equals); 0 without objects. An
            anchor that is some object's best one keeps the object that it overlaps most itself.

    Source: Faster R-CNN (2015) section 3.1.2. Unlike Matterport, an object that no anchor touches claims no anchor;
    there every anchor "ties" at 0 and all become objects.
    """
    iou = _of_objects(iou, gt_valid)
    best, matched_idx = _best(iou)
    state = ops.where(best >= positive_iou, 1, ops.where(best < negative_iou, 0, -1))
    best_of_object = ops.max(iou, axis=1, keepdims=True)  # [B, 1, N]
    best_of_object = ops.where(best_of_object > 0, best_of_object, 2.0)  # 2: no IoU equals it
    claimed = ops.any(iou == best_of_object, axis=2)
    return ops.cast(ops.where(claimed, 1, state), "int32"), matched_idx


def match_rois(iou: Tensor, gt_valid: Tensor, *, positive_iou: float) -> tuple[Tensor, Tensor]:
    """Finds the regions that cover an object, and each region's best object.

    Args:
        iou: `[B, R, N]` float, of regions and ground truth.
        gt_valid: `[B, N]` bool, the slot holds an object.
        positive_iou: the IoU from which a region covers an object.

    Returns:
        positive: `[B, R]` bool; all false in an image without objects.
        matched_idx: `[B, R]` int32, the object the region overlaps most (the first of equals); 0 without objects.
    """
    best, matched_idx = _best(_of_objects(iou, gt_valid))
    return best >= positive_iou, matched_idx


def _of_objects(iou: Tensor, gt_valid: Tensor) -> Tensor:
    """Sets the IoU of unused slots to -1, below every threshold.

    Adds an unused slot where there is none at all, so that a maximum exists.
    """
    iou = ops.where(ops.cast(gt_valid, "bool")[:, None, :], ops.cast(iou, "float32"), -1.0)
    if iou.shape[2] == 0:
        iou = ops.pad(iou, ((0, 0), (0, 0), (0, 1)), constant_values=-1.0)
    return iou


def _best(iou: Tensor) -> tuple[Tensor, Tensor]:
    # top_k finds value and index in one pass; Keras's argmax needs seven over a matrix of 262 thousand anchors
    values, index = native.top_k(iou, k=1)
    return values[..., 0], ops.cast(index[..., 0], "int32")
