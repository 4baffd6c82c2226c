"""torchvision's and detectron2's Mask R-CNN, built from the same layers with the numbers of each.

Sources: torchvision 0.29, `models/detection`; detectron2 at 02b5c4e2, `modeling`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import keras

from mrcnn.backbones.fpn import FeaturePyramid
from mrcnn.backbones.resnet import CHANNELS, ResNet
from mrcnn.config.families.torchvision import Detectron2Config, TorchConfig, TorchvisionConfig, TorchvisionV2Config
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
from mrcnn.models.families import family_model
from mrcnn.models.families.family_model import FamilyModel
from mrcnn.models.mask_rcnn import Layers, Numbers
from mrcnn.structures import Choices

_OWN_NAMES = ("rpn", "box", "mask", *RegionProposals.loss_names, *Boxes.loss_names, *Masks.loss_names)
_STRIDES = (4, 8, 16, 32, 64)
LAYER_PATTERNS = {**family_model.LAYER_PATTERNS, "2+": r"(res2.*)|(bn2.*)|" + family_model.LAYER_PATTERNS["3+"]}
_INITIAL = "balanced"  # torchvision's bounds of the box head and the pyramid


class Rules(NamedTuple):
    """Numbers of a code base that are no settings.

    Attributes:
        anchor_strides: pixels between anchors of each level; None: the model input's sides divided by those of the
            maps, rounded down.
        least_proposal: shortest side of a proposal, pixels.
        least_detection: shortest side of a detection, pixels.
    """

    anchor_strides: tuple[int, ...] | None
    least_proposal: float
    least_detection: float


TORCHVISION = Rules(anchor_strides=None, least_proposal=1e-3, least_detection=1e-2)
DETECTRON2 = Rules(anchor_strides=_STRIDES, least_proposal=0.0, least_detection=0.0)


def build_layers(config: TorchConfig, *, num_classes: int, feature_dtype: str, rules: Rules = TORCHVISION) -> Layers:
    """Builds the layers of the model.

    Args:
        config: settings of the architecture.
        num_classes: with background.
        feature_dtype: dtype of the convolutions; boxes and losses stay float32.
        rules: further numbers of the code base.
    """
    norm: dict[str, Any] = {"epsilon": config.norm_epsilon, "feature_dtype": feature_dtype}
    head: dict[str, Any] = {**norm, "initial_values": _INITIAL, "num_classes": num_classes}
    further = extra_heads.build(
        config.extra_heads,
        config,
        own=(*_OWN_NAMES, *config.losses),
        num_classes=num_classes,
        feature_dtype=feature_dtype,
    )
    return Layers(
        backbone=ResNet(
            depth=config.backbone,
            stride_in=config.stride_in,
            use_bias=False,
            pool_padding="symmetric",
            batch_norm=config.batch_norm,
            name=config.backbone,
            **norm,
        ),
        neck=FeaturePyramid(
            channels=config.fpn_channels,
            initial_values=_INITIAL,
            batch_norm=config.batch_norm if config.fpn_norm else None,
            name="fpn",
            **norm,
        ),
        rpn=_rpn(config, rules, feature_dtype=feature_dtype),
        box=_box(config, rules, head),
        heads={**({"mask": _mask(config, head)} if "masks" in config.heads else {}), **further},
    )


def _rpn(config: TorchConfig, rules: Rules, *, feature_dtype: str) -> RegionProposals:
    return RegionProposals(
        anchors=AnchorGenerator(
            sizes=tuple(config.anchor_sizes),
            aspect_ratios=tuple(config.anchor_aspect_ratios),
            strides=rules.anchor_strides,
            offset=config.anchor_offset,
            rounded=config.anchor_rounding,
            name="anchors",
        ),
        network=RpnHead(
            anchors_per_cell=len(config.anchor_aspect_ratios),
            channels=config.rpn_channels,
            convolutions=config.rpn_convolutions,
            logits=1,
            feature_dtype=feature_dtype,
            name="rpn_model",
        ),
        proposals=ProposalGenerator(
            pre_nms_topk=config.pre_nms_topk,
            topk_scope="level",
            nms_iou_threshold=config.rpn_nms_iou_threshold,
            delta_std=(1.0, 1.0, 1.0, 1.0),
            least_side=rules.least_proposal,
            name="ROI",
        ),
        targets=AnchorTargetGenerator(
            samples=config.rpn_samples,
            positive_fraction=config.rpn_positive_fraction,
            positive_iou=config.rpn_positive_iou,
            negative_iou=config.rpn_negative_iou,
            ignore_share=config.ignore_share,
            delta_std=(1.0, 1.0, 1.0, 1.0),
        ),
        box_loss_average="samples",
        box_loss_beta=config.box_loss_beta,
        clip_to_windows=True,
        name="rpn",
    )


def _box(config: TorchConfig, rules: Rules, common: Mapping[str, Any]) -> Boxes:
    return box_head.build(
        config,
        partial(
            BoxHead,
            pool_size=config.box_pool_size,
            channels=config.box_fc_channels,
            convolutions=config.box_convolutions,
            batch_norm=config.batch_norm if config.box_convolutions else None,
            class_agnostic=config.class_agnostic_boxes,
            **common,
        ),
        features=_features(config, config.box_pool_size, name="roi_align_classifier"),
        detections=DetectionGenerator(
            classes="all",
            delta_std=config.last_delta_std,
            scoring=config.class_scoring,
            least_side=rules.least_detection,
            name="mrcnn_detection",
        ),
        targets=RoiTargetGenerator(
            samples=config.roi_samples,
            positive_fraction=config.roi_positive_fraction,
            positive_iou=config.roi_positive_iou,
            add_gt_boxes=True,
            ignore_share=config.ignore_share,
            delta_std=config.box_delta_std,
        ),
        box_loss_average="samples",
        box_loss_beta=config.box_loss_beta,
        name="boxes",
    )


def _mask(config: TorchConfig, common: Mapping[str, Any]) -> Masks:
    return mask_networks.head(
        config,
        common,
        features=_features(config, config.mask_pool_size, name="roi_align_mask"),
        network=partial(_convolutions, config, common),
        form=config.mask_targets,
        batch_norm=config.batch_norm,
    )


def _convolutions(config: TorchConfig, common: Mapping[str, Any]) -> MaskHead:
    return MaskHead(
        batch_norm=config.batch_norm if config.mask_norm else None,
        use_bias=not config.mask_norm,
        class_agnostic=config.class_agnostic_masks,
        **common,
    )


def _features(config: TorchConfig, side: int, *, name: str) -> RoiFeatures:
    return RoiFeatures(
        output_size=side,
        mode=config.roi_align,
        sampling_ratio=config.roi_sampling_ratio,
        level_margin=config.LEVEL_MARGIN,
        name=name,
    )


def _detectron2_layers(config: TorchConfig, *, num_classes: int, feature_dtype: str) -> Layers:
    return build_layers(config, num_classes=num_classes, feature_dtype=feature_dtype, rules=DETECTRON2)


def _numbers(config: TorchConfig) -> Numbers:
    return Numbers(
        image_mean=config.image_mean,
        map_channels=(CHANNELS, config.fpn_channels),
        post_nms_topk_train=config.post_nms_topk_train,
        post_nms_topk=config.post_nms_topk,
        choices=Choices.of(config),
        weight_decay=config.weight_decay,
        loss_weights=config.loss_weights.model_dump(),
        image_std=config.image_std,
        image_order=config.image_order,
        pre_nms_topk_train=config.pre_nms_topk_train,
        padding="mean",
    )


@keras.saving.register_keras_serializable(package="mrcnn", name="Torchvision")
class Torchvision(FamilyModel):
    """torchvision's `maskrcnn_resnet50_fpn`, built from the settings of `TorchvisionConfig`."""

    layer_patterns = LAYER_PATTERNS
    record = TorchvisionConfig
    layers_of = staticmethod(build_layers)
    numbers_of = staticmethod(_numbers)


@keras.saving.register_keras_serializable(package="mrcnn", name="TorchvisionV2")
class TorchvisionV2(FamilyModel):
    """torchvision's `maskrcnn_resnet50_fpn_v2`, built from the settings of `TorchvisionV2Config`."""

    layer_patterns = LAYER_PATTERNS
    record = TorchvisionV2Config
    layers_of = staticmethod(build_layers)
    numbers_of = staticmethod(_numbers)


@keras.saving.register_keras_serializable(package="mrcnn", name="Detectron2")
class Detectron2(FamilyModel):
    """detectron2's `mask_rcnn_R_50_FPN`, built from the settings of `Detectron2Config`."""

    layer_patterns = LAYER_PATTERNS
    record = Detectron2Config
    layers_of = staticmethod(_detectron2_layers)
    numbers_of = staticmethod(_numbers)
