"""Matterport's Mask R-CNN: ResNet-FPN with the paper's heads.

Settings choose between its older conventions and our better ones.
Source: Matterport's Mask_RCNN (2019): graph, layer names, losses; `config.compatibility` lists what differs by setting.
"""

from collections.abc import Mapping
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
from mrcnn.heads.mask.targets import MaskTargetGenerator
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.heads.rpn.anchors import AnchorGenerator
from mrcnn.heads.rpn.head import RegionProposals
from mrcnn.heads.rpn.network import RpnHead
from mrcnn.heads.rpn.proposals import ProposalGenerator
from mrcnn.heads.rpn.targets import AnchorTargetGenerator
from mrcnn.models import extra_heads, layout
from mrcnn.models.mask_rcnn import Layers, MaskRCNN, Numbers
from mrcnn.ops import sampling
from mrcnn.structures import Choices

_HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
LAYER_PATTERNS = {
    "heads": _HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + _HEADS,
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "all": ".*",
}


@keras.saving.register_keras_serializable(package="mrcnn", name="MaskRCNN")
class Matterport(MaskRCNN):
    """`MaskRCNN` with Matterport's architecture, built from the settings of `MatterportConfig`."""

    layer_patterns = LAYER_PATTERNS

    def __init__(self, *, num_classes: int, settings: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Builds the model and its variables.

        Args:
            num_classes: with background.
            settings: fields of `MatterportConfig`; omitted ones have their defaults.
            **kwargs: `name` and `dtype`, the precision policy of the convolutions.
        """
        config = MatterportConfig(**(settings or {}))
        policy = keras.dtype_policies.get(kwargs.get("dtype") or keras.config.dtype_policy())
        layers = build_layers(config, num_classes=num_classes, feature_dtype=policy.compute_dtype)
        numbers = Numbers(
            image_mean=config.image_mean,
            map_channels=(CHANNELS, config.fpn_channels),
            post_nms_topk_train=config.post_nms_topk_train,
            post_nms_topk=config.post_nms_topk,
            choices=Choices.of(config),
            weight_decay=config.weight_decay,
            loss_weights=config.loss_weights.model_dump(),
        )
        super().__init__(layers, numbers, **kwargs)
        self.num_classes, self.settings = num_classes, config

    def get_config(self) -> dict[str, Any]:
        """Collects the constructor's arguments; Keras alone records only a model's defaults."""
        config = {"num_classes": self.num_classes, "settings": self.settings.model_dump(mode="json")}
        return {**config, "name": self.name, "dtype": keras.saving.serialize_keras_object(self.dtype_policy)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "Matterport":
        """Builds the model, with new random weights, from the dictionary of `get_config`."""
        dtype = keras.saving.deserialize_keras_object(config["dtype"], custom_objects=custom_objects)
        return cls(**{**config, "dtype": dtype})

    def weight_layout(self) -> layout.Layout:
        """Lists the weights under Matterport's names and in its order."""
        return layout.weight_layout(self, backbone=self.settings.backbone)


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
    further = extra_heads.build(config.extra_heads, config, num_classes=num_classes, feature_dtype=feature_dtype)
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
    return Boxes(
        features=_features(config, config.box_pool_size, name="roi_align_classifier"),
        network=BoxHead(pool_size=config.box_pool_size, channels=config.box_fc_channels, **common),
        detections=DetectionGenerator(
            classes=config.detection_classes,
            nms_scope=config.detection_nms_scope,
            round_boxes=config.round_boxes == "before_nms",
            delta_std=config.box_delta_std,
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
    return Masks(
        features=_features(config, config.mask_pool_size, name="roi_align_mask"),
        network=MaskHead(**common),
        targets=MaskTargetGenerator(mask_size=config.mask_size, form=config.mask_targets),
        max_objects=sampling.most_objects(config.roi_samples, config.roi_positive_fraction),
        box_normalization=config.box_normalization,
        name="masks",
    )


def _features(config: MatterportConfig, side: int, *, name: str) -> RoiFeatures:
    return RoiFeatures(output_size=side, mode=config.roi_align, sampling_ratio=config.roi_sampling_ratio, name=name)
