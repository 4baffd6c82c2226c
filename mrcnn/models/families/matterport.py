"""Matterport's Mask R-CNN: ResNet-FPN with the paper's heads.

Settings choose between Matterport's conventions and the better ones of new models.
Source: Matterport's Mask_RCNN (2019): graph, layer names, losses; `config.compatibility` lists what differs by setting.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras

from mrcnn.backbones.fpn import FeaturePyramid
from mrcnn.backbones.resnet import CHANNELS, ResNet
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.heads.box.decode import DetectionGenerator
from mrcnn.heads.box.head import Boxes
from mrcnn.heads.box.network import BoxHead
from mrcnn.heads.box.targets import RoiTargetGenerator
from mrcnn.heads.mask.head import Masks
from mrcnn.heads.mask.network import MaskHead
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.heads.rpn.anchors import AnchorGenerator
from mrcnn.heads.rpn.head import RegionProposals
from mrcnn.heads.rpn.network import RpnHead
from mrcnn.heads.rpn.proposals import ProposalGenerator
from mrcnn.heads.rpn.targets import AnchorTargetGenerator
from mrcnn.models import box_head, extra_heads, mask_networks
from mrcnn.models.families.family_model import FamilyModel
from mrcnn.models.mask_rcnn import Layers, Numbers
from mrcnn.structures import Choices

_OWN_NAMES = ("rpn", "box", "mask", *RegionProposals.loss_names, *Boxes.loss_names, *Masks.loss_names)


def build_layers(config: MatterportConfig, *, num_classes: int, feature_dtype: str) -> Layers:
    """Builds the layers of the model.

    Args:
        config: settings of the architecture.
        num_classes: with background.
        feature_dtype: dtype of the convolutions; boxes and losses stay float32.
    """
    pyramid: dict[str, Any] = {"initial_values": config.initial_values, "feature_dtype": feature_dtype}
    head: dict[str, Any] = {**pyramid, "batch_norm": config.batch_norm, "num_classes": num_classes}
    backbone = ResNet(
        depth=config.backbone, name=config.backbone, batch_norm=config.batch_norm, feature_dtype=feature_dtype
    )
    neck = FeaturePyramid(channels=config.fpn_channels, name="fpn", **pyramid)
    rpn = _rpn(config, feature_dtype=feature_dtype)
    further = extra_heads.build(
        config.extra_heads,
        config,
        own=(*_OWN_NAMES, *config.losses),
        num_classes=num_classes,
        feature_dtype=feature_dtype,
    )
    return Layers(
        backbone=backbone,
        neck=neck,
        rpn=rpn,
        box=_box(config, head),
        heads={"mask": _mask(config, head), **further},
    )


def _rpn(config: MatterportConfig, *, feature_dtype: str) -> RegionProposals:
    return RegionProposals(
        anchors=AnchorGenerator(
            sizes=tuple(config.anchor_sizes),
            aspect_ratios=tuple(config.anchor_aspect_ratios),
            offset=config.anchor_offset,
            name="anchors",
        ),
        network=RpnHead(
            anchors_per_cell=len(config.anchor_aspect_ratios),
            channels=config.rpn_channels,
            feature_dtype=feature_dtype,
            name="rpn_model",
        ),
        proposals=ProposalGenerator(
            pre_nms_topk=config.pre_nms_topk,
            topk_scope=config.pre_nms_topk_scope,
            detach=config.detach_targets,
            nms_iou_threshold=config.rpn_nms_iou_threshold,
            delta_std=config.rpn_delta_std,
            name="ROI",
        ),
        targets=AnchorTargetGenerator(
            samples=config.rpn_samples,
            positive_fraction=config.rpn_positive_fraction,
            positive_iou=config.rpn_positive_iou,
            negative_iou=config.rpn_negative_iou,
            ignore_share=config.ignore_share,
            delta_std=config.rpn_delta_std,
        ),
        box_normalization=config.box_normalization,
        box_loss_average=config.box_loss_average,
        name="rpn",
    )


def _box(config: MatterportConfig, common: Mapping[str, Any]) -> Boxes:
    return box_head.build(
        config,
        partial(BoxHead, pool_size=config.box_pool_size, channels=config.box_fc_channels, **common),
        features=_features(config, config.box_pool_size, name="roi_align_classifier"),
        detections=DetectionGenerator(
            classes=config.detection_classes,
            nms_scope=config.detection_nms_scope,
            round_boxes=config.round_boxes == "before_nms",
            delta_std=config.last_delta_std,
            scoring=config.class_scoring,
            name="mrcnn_detection",
        ),
        targets=RoiTargetGenerator(
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
        box_normalization=config.box_normalization,
        box_loss_average=config.box_loss_average,
        name="boxes",
    )


def _mask(config: MatterportConfig, common: Mapping[str, Any]) -> Masks:
    return mask_networks.head(
        config,
        common,
        features=_features(config, config.mask_pool_size, name="roi_align_mask"),
        network=partial(MaskHead, class_agnostic=config.class_agnostic_masks, **common),
        form=config.mask_targets,
        batch_norm=config.batch_norm,
        box_normalization=config.box_normalization,
    )


def _features(config: MatterportConfig, side: int, *, name: str) -> RoiFeatures:
    return RoiFeatures(output_size=side, mode=config.roi_align, sampling_ratio=config.roi_sampling_ratio, name=name)


def _numbers(config: MatterportConfig) -> Numbers:
    return Numbers(
        image_mean=config.image_mean,
        map_channels=(CHANNELS, config.fpn_channels),
        post_nms_topk_train=config.post_nms_topk_train,
        post_nms_topk=config.post_nms_topk,
        choices=Choices.of(config),
        weight_decay=config.weight_decay,
        loss_weights=config.loss_weights.model_dump(),
    )


@keras.saving.register_keras_serializable(package="mrcnn", name="MaskRCNN")
class Matterport(FamilyModel):
    """`MaskRCNN` with Matterport's architecture, built from the settings of `MatterportConfig`."""

    record = MatterportConfig
    layers_of = staticmethod(build_layers)
    numbers_of = staticmethod(_numbers)
