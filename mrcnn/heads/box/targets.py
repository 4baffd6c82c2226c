"""The box head's targets: a balanced sample of the proposals, with classes and deltas."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.heads.rpn.targets import IGNORE_SHARE, in_ignored
from mrcnn.ops import box_coding, boxes, matching, sampling
from mrcnn.structures import Proposals, RoiTargets, Tensor


class RoiTargetGenerator(Float32Layer):
    """Matches proposals to objects and draws a balanced sample of them."""

    def __init__(
        self,
        *,
        samples: int = 200,
        positive_fraction: float = 0.33,
        positive_iou: float = 0.5,
        add_gt_boxes: bool = False,
        negatives: str = "fill",
        count_unused: bool = False,
        ignore_share: float | None = IGNORE_SHARE,
        detach: bool = True,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            samples: R, slots of the sample per image.
            positive_fraction: the largest share of `samples` that object regions may take.
            positive_iou: the IoU with an object from which a proposal is an object region.
            add_gt_boxes: whether the objects' own boxes join the proposals.
            negatives: `fill`: background fills all slots that objects leave, as in Faster R-CNN; `two_per_object`: only
                so much background that objects have their share, and none without objects (Matterport).
            count_unused: whether unused slots are examples of background, in images with an object.
            ignore_share: the share of a proposal inside an ignore region from which it is no background; see
                `in_ignored`.
            detach: whether no gradient flows from the deltas to the proposals.
            delta_std: four numbers (dy, dx, dh, dw) that the deltas are divided by.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.samples = samples
        self.positive_fraction = positive_fraction
        self.positive_iou = positive_iou
        self.add_gt_boxes = add_gt_boxes
        self.negatives = negatives
        self.count_unused = count_unused
        self.ignore_share = ignore_share
        self.detach = detach
        self.delta_std = delta_std

    def call(self, proposals: Proposals, batch: Mapping[str, Tensor]) -> RoiTargets:
        """Samples regions from the proposals and computes their targets.

        Args:
            proposals: of the RPN, in the frame of `gt_boxes`.
            batch: the fields of `Batch` by name.

        Returns:
            `RoiTargets` with `samples` slots; with `fill`, an image without objects has background only.
        """
        gt_boxes, gt_valid = batch["gt_boxes"], batch["gt_valid"]
        candidates, usable = proposals.boxes, proposals.valid
        if self.add_gt_boxes:
            candidates = ops.concatenate([gt_boxes, candidates], axis=1)
            usable = ops.concatenate([gt_valid, usable], axis=1)
        overlaps = boxes.iou(candidates, gt_boxes)  # [B, R, N]
        positive, matched_idx = matching.match_rois(overlaps, gt_valid, positive_iou=self.positive_iou)
        ignored = in_ignored(candidates, gt_boxes, batch["gt_ignore"], overlaps=overlaps, share=self.ignore_share)
        index, is_positive, valid = sampling.sample_rois(
            positive & usable,
            ~positive & ~ignored & usable,
            batch["seeds"],
            total=self.samples,
            positive_fraction=self.positive_fraction,
            proportional=self.negatives == "two_per_object",
        )
        rois = ops.where(valid[..., None], ops.take_along_axis(candidates, index[..., None], axis=1), 0.0)
        matched_idx = ops.where(is_positive, ops.take_along_axis(matched_idx, index, axis=1), 0)
        matched = ops.take_along_axis(gt_boxes, matched_idx[..., None], axis=1)
        deltas = box_coding.encode_boxes(matched, rois, delta_std=tuple(self.delta_std))
        deltas = ops.stop_gradient(deltas) if self.detach else deltas
        class_ids = ops.take_along_axis(batch["gt_class_ids"], matched_idx, axis=1)
        return RoiTargets(
            rois=ops.stop_gradient(rois),
            class_ids=ops.where(is_positive, class_ids, 0),
            deltas=ops.where(is_positive[..., None], deltas, 0.0),
            matched_idx=matched_idx,
            # in an image without objects unused slots do not count: older implementations skipped such an image
            valid=valid | ops.any(gt_valid, axis=1, keepdims=True) if self.count_unused else valid,
        )
