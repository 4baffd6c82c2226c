"""Which anchor or region belongs to which object.

Shape letters: B images, A anchors, R regions, N padded ground truth.
"""

from keras import ops


def match_anchors(iou, gt_valid, *, positive_iou, negative_iou):
    """Splits anchors into object, background and ignored.

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

    Source: Faster R-CNN (2015) section 3.1.2. Unlike Matterport, an object that no anchor touches claims no anchor; there
    every anchor "ties" at 0 and all become objects.
    """
    iou = _of_objects(iou, gt_valid)
    best = ops.max(iou, axis=2)
    state = ops.where(best >= positive_iou, 1, ops.where(best < negative_iou, 0, -1))
    best_of_object = ops.max(iou, axis=1, keepdims=True)  # [B, 1, N]
    claimed = ops.any((iou == best_of_object) & (best_of_object > 0), axis=2)
    return ops.cast(ops.where(claimed, 1, state), "int32"), _best_index(iou)


def match_rois(iou, gt_valid, *, positive_iou):
    """Tells which regions cover an object.

    Args:
        iou: `[B, R, N]` float, of regions and ground truth.
        gt_valid: `[B, N]` bool, the slot holds an object.
        positive_iou: the IoU from which a region covers an object.

    Returns:
        positive: `[B, R]` bool; all false in an image without objects.
        matched_idx: `[B, R]` int32, the object the region overlaps most (the first of equals); 0 without objects.
    """
    iou = _of_objects(iou, gt_valid)
    return ops.max(iou, axis=2) >= positive_iou, _best_index(iou)


def _of_objects(iou, gt_valid):
    """Gives unused slots an IoU of -1, below every threshold; at least one slot, so that a maximum exists."""
    iou = ops.where(ops.cast(gt_valid, "bool")[:, None, :], ops.cast(iou, "float32"), -1.0)
    if iou.shape[2] == 0:
        iou = ops.pad(iou, ((0, 0), (0, 0), (0, 1)), constant_values=-1.0)
    return iou


def _best_index(iou):
    return ops.cast(ops.argmax(iou, axis=2), "int32")
