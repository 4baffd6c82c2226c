"""The targets of the later stages of a cascade: all regions of the stage before, labelled anew."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.heads.rpn.targets import IGNORE_SHARE, in_ignored
from mrcnn.ops import box_coding, boxes, matching
from mrcnn.structures import RoiTargets, Tensor


class StageTargetGenerator(Float32Layer):
    """Labels the refined regions of a stage by their IoU with objects; draws no new sample."""

    def __init__(
        self,
        *,
        positive_iou: float = 0.6,
        ignore_share: float | None = IGNORE_SHARE,
        delta_std: tuple[float, ...] = (0.05, 0.05, 0.1, 0.1),
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            positive_iou: the IoU with an object from which a region is an object region of this stage.
            ignore_share: the share of a region inside an ignore region from which it is no background; see
                `in_ignored`.
            delta_std: four numbers (dy, dx, dh, dw) that the deltas are divided by.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.positive_iou = positive_iou
        self.ignore_share = ignore_share
        self.delta_std = delta_std

    def call(self, regions: Tensor, usable: Tensor, batch: Mapping[str, Tensor]) -> RoiTargets:
        """Computes the targets of refined regions.

        Args:
            regions: `[B, R, 4]` float32, yxyx, in the frame of `gt_boxes`; no gradient flows into them.
            usable: `[B, R]` bool, the slots whose region counted in the stage before.
            batch: the fields of `Batch` by name.

        Returns:
            `RoiTargets` with the same slots in the same order. A region without area does not count, nor does one of
            background inside an ignore region.

        Source: detectron2, `_match_and_label_boxes` and `_create_proposals_from_boxes`, which removes regions without
        area in training; here they keep their slot, so that shapes stay fixed.
        """
        gt_boxes, gt_valid = batch["gt_boxes"], batch["gt_valid"]
        overlaps = boxes.iou(regions, gt_boxes)  # [B, R, N]
        positive, matched_idx = matching.match_rois(overlaps, gt_valid, positive_iou=self.positive_iou)
        ignored = in_ignored(regions, gt_boxes, batch["gt_ignore"], overlaps=overlaps, share=self.ignore_share)
        valid = usable & (boxes.area(regions) > 0) & (positive | ~ignored)
        positive = positive & valid
        matched_idx = ops.where(positive, matched_idx, 0)
        matched = ops.take_along_axis(gt_boxes, matched_idx[..., None], axis=1)
        deltas = box_coding.encode_boxes(matched, regions, delta_std=tuple(self.delta_std))
        class_ids = ops.take_along_axis(batch["gt_class_ids"], matched_idx, axis=1)
        return RoiTargets(
            rois=regions,
            class_ids=ops.where(positive, class_ids, 0),
            deltas=ops.where(positive[..., None], ops.stop_gradient(deltas), 0.0),
            matched_idx=matched_idx,
            valid=valid,
        )
