"""The numbers of the network: every field of the config's `model` object.

Sizes and counts have Matterport's values as defaults. Conventions, which `config.compatibility` lists, default to their
better forms; `compatibility` switches all of them to what an older code base did.
Source: Mask R-CNN (2017) and FPN (2017) as Matterport's release built them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mrcnn.config import compatibility
from mrcnn.config.base import (
    Flag,
    Fraction,
    Index,
    NotNegative,
    Number,
    Positive,
    PositiveFraction,
    PositiveInt,
    Settings,
)

PYRAMID_LEVELS = 5  # P2 to P6

DeltaStd = tuple[Positive, Positive, Positive, Positive]


class LossWeights(Settings):
    """What each named loss is multiplied by before the sum."""

    rpn_class_loss: NotNegative = 1.0
    rpn_bbox_loss: NotNegative = 1.0
    mrcnn_class_loss: NotNegative = 1.0
    mrcnn_bbox_loss: NotNegative = 1.0
    mrcnn_mask_loss: NotNegative = 1.0


class ModelConfig(Settings):
    """Architecture, sampling and detection numbers; sizes in pixels of the model input, one anchor size per level."""

    compatibility: Literal["matterport", "supervisely"] | None = None

    backbone: Literal["resnet101", "resnet50"] = "resnet101"
    channels: PositiveInt = 3
    image_range: Annotated[PositiveInt, Field(le=65535)] | None = None
    image_mean: tuple[Number, ...] = (123.7, 116.8, 103.9)
    batch_norm: Literal["frozen", "trained"] = "frozen"

    anchor_sizes: Annotated[tuple[Positive, ...], Field(min_length=PYRAMID_LEVELS, max_length=PYRAMID_LEVELS)] = (
        32.0,
        64.0,
        128.0,
        256.0,
        512.0,
    )
    anchor_aspect_ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)
    anchor_offset: Annotated[Number, Field(ge=0, lt=1)] = 0.5

    fpn_channels: PositiveInt = 256
    rpn_channels: PositiveInt = 512
    box_fc_channels: PositiveInt = 1024

    box_normalization: Literal["pixels", "minus_one"] = "pixels"
    pre_nms_topk: PositiveInt = 2000
    pre_nms_topk_scope: Literal["level", "pyramid"] = "level"
    post_nms_topk_train: PositiveInt = 2000
    post_nms_topk: PositiveInt = 1000
    rpn_nms_iou_threshold: Fraction = 0.7

    rpn_samples: PositiveInt = 256
    rpn_positive_fraction: PositiveFraction = 0.5
    rpn_positive_iou: PositiveFraction = 0.7
    rpn_negative_iou: Fraction = 0.3
    roi_samples: PositiveInt = 200
    roi_positive_fraction: PositiveFraction = 0.33
    roi_positive_iou: PositiveFraction = 0.5
    roi_add_gt_boxes: Flag = True
    roi_negatives: Literal["fill", "two_per_object"] = "fill"
    count_unused_rois: Flag = False
    ignore_share: Fraction | None = 0.5
    detach_targets: Flag = True
    initial_values: Literal["balanced", "he"] = "balanced"

    max_gt_instances: PositiveInt = 100
    gt_mask_size: PositiveInt = 56
    box_pool_size: PositiveInt = 7
    mask_pool_size: PositiveInt = 14
    mask_size: PositiveInt = 28
    mask_targets: Literal["soft", "cells", "corners"] = "soft"
    roi_align: Literal["crop_and_resize", "aligned", "unaligned"] = "aligned"
    roi_sampling_ratio: Index = 2
    rpn_delta_std: DeltaStd = (0.1, 0.1, 0.2, 0.2)
    box_delta_std: DeltaStd = (0.1, 0.1, 0.2, 0.2)

    detections_per_image: PositiveInt = 100
    score_threshold: Fraction = 0.7
    detection_classes: Literal["all", "best"] = "all"
    detection_nms_iou_threshold: Fraction = 0.3
    detection_nms_scope: Literal["class", "all"] = "class"
    mask_threshold: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    mask_paste: Literal["bilinear", "fading", "stretched"] = "bilinear"
    round_boxes: Literal["never", "at_end", "before_nms"] = "never"
    image_resize: Literal["exact", "truncated", "smoothed"] = "exact"

    weight_decay: NotNegative = 1e-4
    loss_weights: LossWeights = LossWeights()

    @model_validator(mode="before")
    @classmethod
    def _apply_compatibility(cls, values: Any) -> Any:
        return compatibility.with_conventions(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _check_what_belongs_together(self) -> Self:
        if len(self.image_mean) != self.channels:
            raise ValueError(
                f"`image_mean` must hold one number per channel, {self.channels}, got {len(self.image_mean)}"
            )
        if self.roi_align == "crop_and_resize" and self.roi_sampling_ratio != 1:
            raise ValueError(
                f"`roi_sampling_ratio` must be 1 with `roi_align` crop_and_resize, got {self.roi_sampling_ratio}"
            )
        if self.rpn_negative_iou > self.rpn_positive_iou:
            raise ValueError(
                f"`rpn_negative_iou` must not exceed `rpn_positive_iou`, got {self.rpn_negative_iou} "
                f"and {self.rpn_positive_iou}"
            )
        if self.mask_size != 2 * self.mask_pool_size:
            raise ValueError(
                f"`mask_size` must be twice `mask_pool_size`, got {self.mask_size} and {self.mask_pool_size}; "
                f"use {2 * self.mask_pool_size}"
            )
        return self
