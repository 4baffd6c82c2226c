"""The RPN's targets: a balanced sample of the anchors, with states and deltas."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import box_coding, boxes, matching, sampling
from mrcnn.structures import AnchorTargets, Tensor

IGNORE_IOU = 0.001  # a box with at least this IoU with an ignore region is no background; Matterport's value
IGNORE_SHARE = 0.5  # nor is a box with at least this share of its area inside one, whatever their IoU


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
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            samples: the most sampled anchors of an image.
            positive_fraction: the largest share of `samples` that object anchors may take.
            positive_iou: the IoU from which an anchor is an object.
            negative_iou: the IoU below which an anchor is background.
            ignore_share: the share of an anchor inside an ignore region from which it is no background; see
                `in_ignored`.
            delta_std: four numbers (dy, dx, dh, dw) that the deltas are divided by.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.samples = samples
        self.positive_fraction = positive_fraction
        self.positive_iou = positive_iou
        self.negative_iou = negative_iou
        self.ignore_share = ignore_share
        self.delta_std = delta_std

    def call(self, anchors: Tensor, batch: Mapping[str, Tensor]) -> AnchorTargets:
        """Computes the targets of the anchors.

        Args:
            anchors: `[A, 4]` float32, yxyx pixels of the model input.
            batch: the fields of `Batch` by name, boxes in pixels.

        Returns:
            `AnchorTargets`; anchors that were not sampled have the state -1.
        """
        gt_boxes = batch["gt_boxes"]
        overlaps = boxes.iou(anchors[None], gt_boxes)  # [B, A, N]
        state, matched_idx = matching.match_anchors(
            overlaps, batch["gt_valid"], positive_iou=self.positive_iou, negative_iou=self.negative_iou
        )
        ignored = in_ignored(anchors[None], gt_boxes, batch["gt_ignore"], overlaps=overlaps, share=self.ignore_share)
        state = ops.where((state == 0) & ignored, -1, state)
        state = sampling.sample_anchors(
            state, batch["seeds"], total=self.samples, positive_fraction=self.positive_fraction
        )
        matched = ops.take_along_axis(gt_boxes, matched_idx[..., None], axis=1)
        deltas = box_coding.encode_boxes(matched, anchors[None], delta_std=tuple(self.delta_std))
        return AnchorTargets(state=state, deltas=ops.where((state == 1)[..., None], deltas, 0.0))


def in_ignored(
    candidates: Tensor, gt_boxes: Tensor, gt_ignore: Tensor, *, overlaps: Tensor, share: float | None = IGNORE_SHARE
) -> Tensor:
    """Finds the boxes that overlap an ignore region too much to be background.

    Args:
        candidates: `[B, R, 4]` or `[1, R, 4]` float32, yxyx.
        gt_boxes: `[B, N, 4]` float32, yxyx.
        gt_ignore: `[B, N]` bool, the slot holds an ignore region.
        overlaps: `[B, R, N]` IoU of candidates and `gt_boxes`; `IGNORE_IOU` of it is too much.
        share: the share of a box's area inside an ignore region that is too much, whatever their IoU; None tests the
            IoU alone (Matterport).

    Returns:
        `[B, R]` bool; all false without ignore regions.
    """

    def some() -> Tensor:
        near = overlaps >= IGNORE_IOU
        if share is not None:
            near = near | (boxes.overlap_of_first(candidates, gt_boxes) >= share)
        return ops.any(near & gt_ignore[:, None, :], axis=-1)

    # skipped without ignore regions, as in most batches: the matrix of all pairs is large
    return ops.cond(ops.any(gt_ignore), some, lambda: ops.zeros_like(overlaps[..., 0], dtype="bool"))
