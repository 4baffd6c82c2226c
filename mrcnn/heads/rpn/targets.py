"""What the RPN's losses compare with."""

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import box_coding, boxes, matching, sampling
from mrcnn.structures import AnchorTargets

IGNORE_IOU = 0.001  # a region that overlaps an ignore region this much is no background; Matterport's value
IGNORE_SHARE = 0.5  # nor is one that lies in it by this share, however small beside it


class AnchorTargetGenerator(Float32Layer):
    """Matches anchors to objects and draws a balanced sample of them."""

    def __init__(
        self,
        *,
        samples: int = 256,
        positive_fraction: float = 0.5,
        positive_iou: float = 0.7,
        negative_iou: float = 0.3,
        ignore_share: float | None = IGNORE_SHARE,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        **kwargs,
    ):
        """Takes the sample's size per image, the IoU limits and `in_ignored`'s share."""
        super().__init__(**kwargs)
        self.samples = samples
        self.positive_fraction = positive_fraction
        self.positive_iou = positive_iou
        self.negative_iou = negative_iou
        self.ignore_share = ignore_share
        self.delta_std = delta_std

    def call(self, anchors, gt_boxes, gt_valid, gt_ignore, seeds):
        """Gives `AnchorTargets` for `anchors` `[A, 4]`; the rest are fields of `Batch`."""
        overlaps = boxes.iou(anchors[None], gt_boxes)  # [B, A, N]
        state, matched_idx = matching.match_anchors(
            overlaps, gt_valid, positive_iou=self.positive_iou, negative_iou=self.negative_iou
        )
        ignored = in_ignored(anchors[None], gt_boxes, gt_ignore, overlaps=overlaps, share=self.ignore_share)
        state = ops.where((state == 0) & ignored, -1, state)
        state = sampling.sample_anchors(state, seeds, total=self.samples, positive_fraction=self.positive_fraction)
        matched = ops.take_along_axis(gt_boxes, matched_idx[..., None], axis=1)
        deltas = box_coding.encode_boxes(matched, anchors[None], delta_std=tuple(self.delta_std))
        return AnchorTargets(state=state, deltas=ops.where((state == 1)[..., None], deltas, 0.0))


def in_ignored(candidates, gt_boxes, gt_ignore, *, overlaps, share=IGNORE_SHARE):
    """Tells which boxes are no background because an ignore region may hold objects there.

    Args:
        candidates: `[B, R, 4]` or `[1, R, 4]` float32.
        gt_boxes: `[B, N, 4]` float32.
        gt_ignore: `[B, N]` bool.
        overlaps: `[B, R, N]` IoU of the two.
        share: how much of a box must lie in a region, whatever their IoU; None leaves it to the IoU (Matterport).

    Returns:
        `[B, R]` bool; all false without ignore regions.
    """

    def some():
        near = overlaps >= IGNORE_IOU
        if share is not None:
            near = near | (boxes.overlap_of_first(candidates, gt_boxes) >= share)
        return ops.any(near & gt_ignore[:, None, :], axis=-1)

    # most batches have no ignore region, and the matrix of all pairs is large
    return ops.cond(ops.any(gt_ignore), some, lambda: ops.zeros_like(overlaps[..., 0], dtype="bool"))
