"""Every setting reaches the layer it belongs to, and every layer keeps its arguments through a saved config."""

import functools

import keras
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models.families.matterport import Matterport, build_layers
from mrcnn.models.layout import named_layers
from mrcnn.structures import Choices
from mrcnn.weights import names

SETTINGS = {
    "backbone": "resnet50",
    "anchor_sizes": (1, 2, 3, 4, 5),
    "anchor_aspect_ratios": (0.5, 2.0),
    "anchor_offset": 0.5,
    "pre_nms_topk": 11,
    "rpn_nms_iou_threshold": 0.61,
    "rpn_samples": 12,
    "rpn_positive_fraction": 0.4,
    "rpn_positive_iou": 0.71,
    "rpn_negative_iou": 0.31,
    "roi_samples": 13,
    "roi_positive_fraction": 0.21,
    "roi_positive_iou": 0.51,
    "roi_add_gt_boxes": True,
    "box_pool_size": 5,
    "mask_pool_size": 6,
    "mask_size": 12,
    "mask_train_boxes": "both",
    "roi_align": "aligned",
    "roi_sampling_ratio": 3,
    "detections_per_image": 14,
    "score_threshold": 0.15,
    "detection_nms_iou_threshold": 0.16,
    "rpn_delta_std": (0.2, 0.2, 0.3, 0.3),
    "box_delta_std": (0.3, 0.3, 0.4, 0.4),
    "rpn_channels": 17,
    "fpn_channels": 18,
    "box_fc_channels": 19,
    "batch_norm": "trained",
    "initial_values": "he",
    "mask_targets": "cells",
    "class_agnostic_masks": True,
    "box_loss_average": "samples",
}
EXPECTED = {
    "rpn.anchors": {"sizes": (1, 2, 3, 4, 5), "aspect_ratios": (0.5, 2.0), "offset": 0.5},
    "rpn.proposals": {"pre_nms_topk": 11, "nms_iou_threshold": 0.61, "delta_std": (0.2, 0.2, 0.3, 0.3)},
    "rpn.targets": {
        "samples": 12,
        "positive_fraction": 0.4,
        "positive_iou": 0.71,
        "negative_iou": 0.31,
        "delta_std": (0.2, 0.2, 0.3, 0.3),
    },
    "box.targets": {
        "samples": 13,
        "positive_fraction": 0.21,
        "add_gt_boxes": True,
        "positive_iou": 0.51,
        "delta_std": (0.3, 0.3, 0.4, 0.4),
    },
    "box.features": {"output_size": 5, "mode": "aligned", "sampling_ratio": 3},
    "mask.features": {"output_size": 6, "mode": "aligned", "sampling_ratio": 3},
    "mask.targets": {"mask_size": 12, "form": "cells"},
    "mask.network": {"class_agnostic": True, "num_classes": 3},
    "box.detections": {"delta_std": (0.3, 0.3, 0.4, 0.4)},
}


@pytest.fixture(scope="module")
def parts():
    return build_layers(MatterportConfig(**SETTINGS), num_classes=3, feature_dtype="bfloat16")


def _layer(parts, name):
    """Returns a layer of the parts by its dotted name."""
    first, *rest = name.split(".")
    found = parts.heads[first] if first in parts.heads else getattr(parts, first)
    return functools.reduce(getattr, rest, found)


def _plain(value):
    return tuple(value) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("part", EXPECTED)
def test_matterport_setting_reaches_its_layer_and_survives_a_round_trip(parts, part):
    layer = _layer(parts, part)
    revived = type(layer).from_config(layer.get_config())
    for name, value in EXPECTED[part].items():
        assert _plain(getattr(layer, name)) == value
        assert _plain(getattr(revived, name)) == value


def test_matterport_box_loss_average_reaches_the_rpn_and_the_box_head(parts):
    assert parts.rpn.box_loss_average == parts.box.box_loss_average == "samples"  # the layers' default is objects


def test_matterport_run_time_choices_reach_the_model():
    model = Matterport(num_classes=3, settings=SETTINGS)
    assert model.choices == Choices(
        score_threshold=0.15, detection_nms_iou_threshold=0.16, detections_per_image=14, mask_threshold=0.5
    )


def test_matterport_widths_and_precision_reach_the_networks(parts):
    assert parts.rpn.network.shared[0].filters == 17
    assert parts.rpn.network.objectness.filters == 2 * 2
    assert parts.neck.smooth[0].conv.filters == 18
    assert parts.box.network.first.conv.filters == 19
    assert parts.backbone.stem.norm.mode == "trained"
    networks = (
        parts.backbone.stem.conv,
        parts.rpn.network.shared[0],
        parts.neck.lateral[0].conv,
        parts.heads["mask"].network.upsampling,
    )
    assert {network.feature_dtype for network in networks} == {"bfloat16"}


@pytest.mark.parametrize("part", ["backbone", "neck", "rpn.network", "box.network", "mask.network"])
def test_matterport_networks_keep_their_arguments_in_json(parts, part):
    layer = _layer(parts, part)
    config = keras.saving.serialize_keras_object(layer)
    assert (
        keras.saving.deserialize_keras_object(config, custom_objects={type(layer).__name__: type(layer)}).name
        == layer.name
    )
    assert config["config"]["feature_dtype"] == "bfloat16"


def test_class_layers_are_those_that_transfer_learning_has_always_left_new():
    model = Matterport(num_classes=3, settings={"backbone": "resnet50"})
    assert model.class_layers == ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")
    assert {*names.TRANSFER_EXCLUDE} - {*named_layers(model)} == {"mrcnn_bbox"}
    assert {*model.class_layers} == {*names.TRANSFER_EXCLUDE} - {"mrcnn_bbox"}


def test_build_layers_a_head_trains_on_the_boxes_of_the_settings(parts):
    assert parts.heads["mask"].train_boxes == "both"
    assert not parts.heads["mask"].repeat_regions


@pytest.mark.parametrize(("batch_norm", "mode"), [("frozen", "trained"), ("synchronized", "synchronized")])
def test_build_layers_has_the_hourglass_of_the_settings(batch_norm, mode):
    config = MatterportConfig(mask_head="hourglass32", batch_norm=batch_norm)
    mask = build_layers(config, num_classes=3, feature_dtype="bfloat16").heads["mask"]
    assert (mask.network.kind, mask.network.norm.mode, mask.network.feature_dtype) == ("hourglass32", mode, "bfloat16")
    assert (mask.features.output_size, mask.targets.mask_size, mask.repeat_regions) == (32, 64, True)
