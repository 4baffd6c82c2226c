"""The parts of a Mask R-CNN, sized from the settings; the one file of this package that reads them."""

from typing import Any, NamedTuple

import keras

from mrcnn.backbones.fpn import FeaturePyramid
from mrcnn.backbones.resnet import ResNet
from mrcnn.config.model import ModelConfig
from mrcnn.heads.box.decode import DetectionGenerator
from mrcnn.heads.box.network import BoxHead
from mrcnn.heads.box.targets import RoiTargetGenerator
from mrcnn.heads.mask.network import MaskHead
from mrcnn.heads.mask.targets import MaskTargetGenerator
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.heads.rpn.anchors import AnchorGenerator
from mrcnn.heads.rpn.network import RpnHead
from mrcnn.heads.rpn.proposals import ProposalGenerator
from mrcnn.heads.rpn.targets import AnchorTargetGenerator


class Parts(NamedTuple):
    """The layers a `MaskRCNN` is composed of, in the order data meets them."""

    backbone: keras.layers.Layer
    fpn: keras.layers.Layer
    anchor_generator: keras.layers.Layer
    rpn: keras.layers.Layer
    proposal_generator: keras.layers.Layer
    box_features: keras.layers.Layer
    box_head: keras.layers.Layer
    detection_generator: keras.layers.Layer
    mask_features: keras.layers.Layer
    mask_head: keras.layers.Layer
    anchor_targets: keras.layers.Layer
    roi_targets: keras.layers.Layer
    mask_targets: keras.layers.Layer


def build_parts(config: ModelConfig, *, num_classes: int, feature_dtype: str) -> Parts:
    """Makes the layers.

    Args:
        config: the architecture's numbers.
        num_classes: with background.
        feature_dtype: what convolutions compute in; boxes and losses stay float32.
    """
    common: dict[str, Any] = {"batch_norm": config.batch_norm, "feature_dtype": feature_dtype}
    pyramid: dict[str, Any] = {"initial_values": config.initial_values, "feature_dtype": feature_dtype}
    head: dict[str, Any] = {**pyramid, "batch_norm": config.batch_norm}
    roi: dict[str, Any] = {"mode": config.roi_align, "sampling_ratio": config.roi_sampling_ratio}
    return Parts(
        backbone=ResNet(depth=config.backbone, name=config.backbone, **common),
        fpn=FeaturePyramid(channels=config.fpn_channels, name="fpn", **pyramid),
        anchor_generator=AnchorGenerator(
            sizes=tuple(config.anchor_sizes),
            aspect_ratios=tuple(config.anchor_aspect_ratios),
            offset=config.anchor_offset,
            name="anchors",
        ),
        rpn=RpnHead(
            anchors_per_cell=len(config.anchor_aspect_ratios),
            channels=config.rpn_channels,
            feature_dtype=feature_dtype,
            name="rpn_model",
        ),
        proposal_generator=ProposalGenerator(
            pre_nms_topk=config.pre_nms_topk,
            topk_scope=config.pre_nms_topk_scope,
            detach=config.detach_targets,
            nms_iou_threshold=config.rpn_nms_iou_threshold,
            delta_std=config.rpn_delta_std,
            name="ROI",
        ),
        box_features=RoiFeatures(output_size=config.box_pool_size, name="roi_align_classifier", **roi),
        box_head=BoxHead(
            num_classes=num_classes,
            pool_size=config.box_pool_size,
            channels=config.box_fc_channels,
            **head,
        ),
        detection_generator=DetectionGenerator(
            score_threshold=config.score_threshold,
            nms_iou_threshold=config.detection_nms_iou_threshold,
            max_detections=config.detections_per_image,
            classes=config.detection_classes,
            nms_scope=config.detection_nms_scope,
            round_boxes=config.round_boxes == "before_nms",
            delta_std=config.box_delta_std,
            name="mrcnn_detection",
        ),
        mask_features=RoiFeatures(output_size=config.mask_pool_size, name="roi_align_mask", **roi),
        mask_head=MaskHead(num_classes=num_classes, **head),
        **_target_parts(config),
    )


def _target_parts(config: ModelConfig) -> dict[str, keras.layers.Layer]:
    return {
        "anchor_targets": AnchorTargetGenerator(
            samples=config.rpn_samples,
            positive_fraction=config.rpn_positive_fraction,
            positive_iou=config.rpn_positive_iou,
            negative_iou=config.rpn_negative_iou,
            ignore_share=config.ignore_share,
            delta_std=config.rpn_delta_std,
        ),
        "roi_targets": RoiTargetGenerator(
            samples=config.roi_samples,
            positive_fraction=config.roi_positive_fraction,
            positive_iou=config.roi_positive_iou,
            add_gt_boxes=config.roi_add_gt_boxes,
            negatives=config.roi_negatives,
            count_unused=config.count_unused_rois,
            ignore_share=config.ignore_share,
            detach=config.detach_targets,
            delta_std=config.box_delta_std,
        ),
        "mask_targets": MaskTargetGenerator(mask_size=config.mask_size, form=config.mask_targets),
    }
