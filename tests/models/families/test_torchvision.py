"""Every setting and every number of a code base reaches the layer it belongs to."""

import numpy as np
import pytest

from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config
from mrcnn.models.build import build_model
from mrcnn.models.families.torchvision import DETECTRON2, TORCHVISION, Detectron2, build_layers
from mrcnn.models.trainable import select_trainable
from mrcnn.structures import Choices

SETTINGS = {
    "anchor_sizes": (1, 2, 3, 4, 5),
    "anchor_aspect_ratios": (0.5, 2.0),
    "anchor_offset": 0.5,
    "anchor_rounding": False,
    "pre_nms_topk": 11,
    "rpn_nms_iou_threshold": 0.61,
    "rpn_samples": 12,
    "rpn_positive_fraction": 0.4,
    "rpn_positive_iou": 0.71,
    "rpn_negative_iou": 0.31,
    "roi_samples": 13,
    "roi_positive_fraction": 0.21,
    "roi_positive_iou": 0.51,
    "ignore_share": 0.25,
    "box_pool_size": 5,
    "mask_pool_size": 6,
    "mask_size": 12,
    "mask_train_boxes": "both",
    "roi_align": "aligned",
    "roi_sampling_ratio": 3,
    "box_delta_std": (0.3, 0.3, 0.4, 0.4),
    "box_loss_beta": 0.5,
    "mask_targets": "cells",
    "rpn_channels": 17,
    "fpn_channels": 18,
    "box_fc_channels": 19,
    "stride_in": "1x1",
    "norm_epsilon": 0.25,
    "class_agnostic_boxes": True,
    "class_agnostic_masks": True,
}
EXPECTED = {
    "rpn.anchors": {"sizes": (1, 2, 3, 4, 5), "aspect_ratios": (0.5, 2.0), "offset": 0.5, "rounded": False},
    "rpn.proposals": {
        "pre_nms_topk": 11,
        "topk_scope": "level",
        "nms_iou_threshold": 0.61,
        "delta_std": (1.0, 1.0, 1.0, 1.0),
        "detach": True,
    },
    "rpn.targets": {
        "samples": 12,
        "positive_fraction": 0.4,
        "positive_iou": 0.71,
        "negative_iou": 0.31,
        "ignore_share": 0.25,
        "delta_std": (1.0, 1.0, 1.0, 1.0),
    },
    "rpn": {"box_loss_average": "samples", "box_loss_beta": 0.5, "clip_to_windows": True},
    "box": {"box_loss_average": "samples", "box_loss_beta": 0.5},
    "box.targets": {
        "samples": 13,
        "positive_fraction": 0.21,
        "positive_iou": 0.51,
        "add_gt_boxes": True,
        "ignore_share": 0.25,
        "delta_std": (0.3, 0.3, 0.4, 0.4),
    },
    "box.features": {"output_size": 5, "mode": "aligned", "sampling_ratio": 3},
    "box.detections": {"classes": "all", "nms_scope": "class", "round_boxes": False, "delta_std": (0.3, 0.3, 0.4, 0.4)},
    "box.network": {"class_agnostic": True, "num_classes": 3},
    "mask.features": {"output_size": 6, "mode": "aligned", "sampling_ratio": 3},
    "mask.targets": {"mask_size": 12, "form": "cells"},
    "mask.network": {"class_agnostic": True, "num_classes": 3},
    "mask": {"train_boxes": "both", "repeat_regions": False},
    "backbone": {"pool_padding": "symmetric"},
}


@pytest.fixture(scope="module")
def parts():
    return build_layers(TorchvisionConfig(**SETTINGS), num_classes=3, feature_dtype="float32")


@pytest.mark.parametrize("part", EXPECTED)
def test_build_layers_brings_a_setting_to_its_layer(parts, part):
    first, *rest = part.split(".")
    layer = parts.heads[first] if first in parts.heads else getattr(parts, first)
    for name in rest:
        layer = getattr(layer, name)
    found = {name: getattr(layer, name) for name in EXPECTED[part]}
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()} == EXPECTED[part]


def test_build_layers_widths_and_norms(parts):
    assert (parts.rpn.network.shared[0].filters, parts.neck.smooth[0].conv.filters) == (17, 18)
    assert (parts.box.network.first.conv.filters, parts.rpn.network.logits) == (19, 1)
    assert parts.rpn.network.objectness.filters == 2  # one logit for each of two anchors
    block = parts.backbone.stages[1][0]
    assert (block.reduce.conv.strides, block.convolve.conv.strides) == (2, 1)
    assert (block.reduce.norm.epsilon, block.reduce.norm.mode, block.reduce.conv.use_bias) == (0.25, "fixed", False)
    assert parts.neck.lateral[0].norm is parts.box.network.first.norm is None
    assert parts.heads["mask"].network.convolutions[0].norm is None


@pytest.mark.parametrize(
    ("family", "rules", "strides", "least_proposal", "least_detection", "margin"),
    [
        (TorchvisionConfig, TORCHVISION, None, 1e-3, 1e-2, 1e-6),
        (Detectron2Config, DETECTRON2, (4, 8, 16, 32, 64), 0.0, 0.0, 0.0),
    ],
)
def test_build_layers_brings_the_numbers_of_the_code_base(
    family, rules, strides, least_proposal, least_detection, margin
):
    parts = build_layers(family(), num_classes=2, feature_dtype="float32", rules=rules)
    assert parts.rpn.anchors.strides == strides
    assert parts.rpn.proposals.least_side == least_proposal
    assert parts.box.detections.least_side == least_detection
    assert parts.box.features.level_margin == parts.heads["mask"].features.level_margin == margin


def test_torchvision_v2_has_norms_and_convolutions():
    parts = build_layers(TorchvisionV2Config(), num_classes=2, feature_dtype="float32")
    assert len(parts.rpn.network.shared) == 2
    assert [unit.norm.mode for unit in parts.box.network.convolutions] == ["trained"] * 4
    assert parts.box.network.second is None
    assert {unit.norm.epsilon for unit in (*parts.neck.lateral, *parts.neck.smooth)} == {1e-5}
    assert {unit.conv.use_bias for unit in parts.heads["mask"].network.convolutions} == {False}


@pytest.mark.parametrize(("heads", "names"), [((), ()), (("masks",), ("mask",))])
def test_build_layers_has_the_heads_of_the_settings(heads, names):
    parts = build_layers(TorchvisionConfig(heads=heads), num_classes=2, feature_dtype="float32")
    assert tuple(parts.heads) == names


def test_numbers_reach_the_model():
    settings = {"pre_nms_topk_train": 5, "post_nms_topk_train": 6, "post_nms_topk": 4, "weight_decay": 0.5}
    model = build_model(Detectron2Config(**settings, loss_weights={"rpn_bbox_loss": 2.0}), num_classes=2)
    assert isinstance(model, Detectron2)
    numbers = model.numbers
    assert (numbers.pre_nms_topk_train, numbers.post_nms_topk_train, numbers.post_nms_topk) == (5, 6, 4)
    assert (numbers.weight_decay, numbers.loss_weights["rpn_bbox_loss"]) == (0.5, 2.0)
    assert (numbers.image_order, numbers.padding) == ("bgr", "mean")
    np.testing.assert_allclose(numbers.image_mean, [103.53, 116.28, 123.675])
    np.testing.assert_allclose(numbers.image_std, [1, 1, 1])
    assert model.choices == Choices(
        score_threshold=0.05, detection_nms_iou_threshold=0.5, detections_per_image=100, mask_threshold=0.5
    )


@pytest.mark.parametrize("family", [TorchvisionConfig, TorchvisionV2Config, Detectron2Config])
def test_build_layers_has_the_hourglass_of_the_settings(family):
    config = family(mask_head="hourglass52", class_agnostic_masks=False, batch_norm="fixed")
    mask = build_layers(config, num_classes=3, feature_dtype="float32").heads["mask"]
    assert (mask.network.kind, mask.network.norm.mode, mask.repeat_regions) == ("hourglass52", "trained", True)
    assert mask.class_layers == ("mrcnn_mask_hourglass_logits",)


# pytorch/vision, test/test_models.py: tensors that train by `trainable_backbone_layers` 0 to 5
TRAINED = {TorchvisionConfig: (42, 52, 71, 84, 94, 95), TorchvisionV2Config: (66, 96, 153, 192, 222, 225)}


@pytest.mark.parametrize("record", TRAINED)
def test_train_layers_train_as_many_tensors_as_torchvision(record):
    model = build_model(record(), num_classes=91)
    found = []
    for word in ("heads", "5+", "4+", "3+", "2+", "all"):
        select_trainable(model, word)
        found.append(len(model.trainable_variables))
    assert tuple(found) == TRAINED[record]
