"""The published numbers of torchvision 0.29 (`models/detection`) and of detectron2 at 02b5c4e2 (Base-RCNN-FPN.yaml)."""

import pytest
from pydantic import ValidationError

from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config

SHARED = {
    "backbone": "resnet50",
    "channels": 3,
    "fpn_channels": 256,
    "rpn_channels": 256,
    "box_fc_channels": 1024,
    "anchor_sizes": (32, 64, 128, 256, 512),
    "anchor_aspect_ratios": (2.0, 1.0, 0.5),  # width / height: both list height / width as 0.5, 1, 2
    "anchor_offset": 0.0,
    "pre_nms_topk": 1000,
    "pre_nms_topk_train": 2000,
    "post_nms_topk": 1000,
    "rpn_nms_iou_threshold": 0.7,
    "rpn_samples": 256,
    "rpn_positive_fraction": 0.5,
    "rpn_positive_iou": 0.7,
    "rpn_negative_iou": 0.3,
    "roi_samples": 512,
    "roi_positive_fraction": 0.25,
    "roi_positive_iou": 0.5,
    "box_pool_size": 7,
    "mask_pool_size": 14,
    "mask_size": 28,
    "box_delta_std": (0.1, 0.1, 0.2, 0.2),  # weights of 10, 10, 5, 5
    "score_threshold": 0.05,
    "detection_nms_iou_threshold": 0.5,
    "detections_per_image": 100,
    "mask_threshold": 0.5,
    "class_agnostic_boxes": False,
    "class_agnostic_masks": False,
    "heads": ("masks",),
}
TORCHVISION = {
    "image_mean": tuple(255 * share for share in (0.485, 0.456, 0.406)),
    "image_std": tuple(255 * share for share in (0.229, 0.224, 0.225)),
    "image_order": "rgb",
    "image_fit": "torchvision",
    "image_resize": "exact",
    "stride_in": "3x3",
    "batch_norm": "fixed",
    "norm_epsilon": 1e-5,
    "fpn_norm": False,
    "mask_norm": False,
    "rpn_convolutions": 1,
    "box_convolutions": 0,
    "anchor_rounding": True,
    "post_nms_topk_train": 2000,
    "roi_align": "unaligned",
    "roi_sampling_ratio": 2,
    "box_loss_beta": 1 / 9,
    "mask_paste": "expanded",
}
SECOND = {
    **TORCHVISION,
    "batch_norm": "trained",
    "fpn_norm": True,
    "mask_norm": True,
    "rpn_convolutions": 2,
    "box_convolutions": 4,
}
DETECTRON2 = {
    **TORCHVISION,
    "image_mean": (103.53, 116.28, 123.675),
    "image_std": (1.0, 1.0, 1.0),
    "image_order": "bgr",
    "image_fit": "detectron2",
    "image_resize": "smoothed",
    "stride_in": "1x1",
    "anchor_rounding": False,
    "post_nms_topk_train": 1000,
    "roi_align": "aligned",
    "roi_sampling_ratio": 0,
    "box_loss_beta": 0.0,
    "mask_targets": "cells",
    "mask_paste": "sampled",
}
PUBLISHED = {TorchvisionConfig: TORCHVISION, TorchvisionV2Config: SECOND, Detectron2Config: DETECTRON2}


@pytest.mark.parametrize("record", PUBLISHED)
def test_defaults_are_the_published_numbers(record):
    expected = {**SHARED, **PUBLISHED[record]}
    values = record().model_dump()
    got = {name: values[name] for name in expected}
    for name in ("image_mean", "image_std"):
        assert got.pop(name) == pytest.approx(expected.pop(name))
    assert got == expected


@pytest.mark.parametrize(
    ("record", "family"),
    [(TorchvisionConfig, "torchvision"), (TorchvisionV2Config, "torchvision_v2"), (Detectron2Config, "detectron2")],
)
def test_family_and_title(record, family):
    config = record()
    assert config.family == family
    assert config.title == f"{family}, resnet50"
    with pytest.raises(ValidationError):
        record(family="matterport")


@pytest.mark.parametrize(("mode", "uses"), [("fixed", False), ("frozen", False), ("trained", True)])
def test_uses_batch_statistics_where_they_are_trained(mode, uses):
    assert TorchvisionConfig(batch_norm=mode).uses_batch_statistics is uses


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_std": (1.0, 1.0)}, "`image_std` must hold one number per channel, 3, got 2"),
        ({"image_std": (1.0, 1.0, 0.0)}, "greater than 0"),
        ({"heads": ("masks", "masks")}, "`heads` must name each head once, got ['masks', 'masks']"),
        ({"heads": ("boxes",)}, "'masks' or 'keypoints'"),
        (
            {"heads": ["masks"], "extra_heads": ["keypoints"]},
            "`heads` must name keypoints as `extra_heads` does, got ['masks']; add it, or set `extra_heads` without it",
        ),
        ({"heads": ["keypoints"], "extra_heads": 5}, "Input should be a valid tuple"),
        ({"heads": ["keypoints"], "extra_heads": None}, "Input should be a valid tuple"),
        ({"norm_epsilon": -1}, "greater than or equal to 0"),
        ({"roi_align": "crop_and_resize"}, "'unaligned' or 'aligned'"),
        ({"box_convolutions": -1}, "greater than or equal to 0"),
        ({"rpn_convolutions": 0}, "greater than or equal to 1"),
        (
            {"box_head": "cascade", "class_agnostic_boxes": False},
            "`class_agnostic_boxes` must be true with `box_head` cascade, got false; leave it out, or set `box_head` "
            "to single",
        ),
    ],
)
def test_malformed_settings_are_refused(values, message):
    with pytest.raises(ValidationError) as caught:
        TorchvisionConfig(**values)
    assert message in str(caught.value)


def test_heads_may_be_empty():
    assert TorchvisionConfig(heads=()).heads == ()


@pytest.mark.parametrize(("heads", "expected"), [(("masks",), True), (("keypoints",), False), ((), False)])
def test_has_masks_is_whether_the_mask_head_is_named(heads, expected):
    assert TorchvisionConfig(heads=heads).has_masks is expected


def test_heads_with_keypoints_add_the_head_of_that_name():
    assert TorchvisionConfig(heads=["masks", "keypoints"]).extra_heads == ("keypoints",)
    assert TorchvisionConfig(heads=["keypoints"], extra_heads=["keypoints"]).extra_heads == ("keypoints",)
    assert TorchvisionConfig().extra_heads == ()


def test_extra_heads_with_keypoints_add_them_to_open_heads():
    assert TorchvisionConfig(extra_heads=["keypoints"]).heads == ("masks", "keypoints")
    assert TorchvisionConfig(extra_heads=["keypoints"], heads=["keypoints"]).heads == ("keypoints",)
