import pydantic
import pytest

from mrcnn.config import compatibility, load
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError

# Matterport's release, its config class: the values old weights were trained with.
MATTERPORT = {
    "compatibility": "matterport",
    "backbone": "resnet101",
    "channels": 3,
    "image_range": None,
    "image_mean": [123.7, 116.8, 103.9],
    "anchor_sizes": [32, 64, 128, 256, 512],
    "anchor_aspect_ratios": [0.5, 1, 2],
    "anchor_offset": 0,
    "fpn_channels": 256,
    "rpn_channels": 512,
    "box_fc_channels": 1024,
    "box_normalization": "minus_one",
    "pre_nms_topk": 6000,
    "pre_nms_topk_scope": "pyramid",
    "post_nms_topk_train": 2000,
    "post_nms_topk": 1000,
    "rpn_nms_iou_threshold": 0.7,
    "rpn_samples": 256,
    "rpn_positive_fraction": 0.5,
    "rpn_positive_iou": 0.7,
    "rpn_negative_iou": 0.3,
    "roi_samples": 200,
    "roi_positive_fraction": 0.33,
    "roi_positive_iou": 0.5,
    "roi_add_gt_boxes": False,
    "roi_negatives": "two_per_object",
    "count_unused_rois": True,
    "ignore_share": None,
    "detach_targets": False,
    "initial_values": "he",
    "max_gt_instances": 100,
    "gt_mask_size": 56,
    "box_pool_size": 7,
    "mask_pool_size": 14,
    "mask_size": 28,
    "mask_targets": "corners",
    "box_loss_average": "objects",
    "roi_align": "crop_and_resize",
    "roi_sampling_ratio": 1,
    "rpn_delta_std": [0.1, 0.1, 0.2, 0.2],
    "box_delta_std": [0.1, 0.1, 0.2, 0.2],
    "detections_per_image": 100,
    "score_threshold": 0.7,
    "detection_classes": "best",
    "detection_nms_iou_threshold": 0.3,
    "detection_nms_scope": "class",
    "mask_threshold": 0.5,
    "mask_paste": "fading",
    "round_boxes": "at_end",
    "image_resize": "truncated",
    "batch_norm": "frozen",
    "weight_decay": 1e-4,
    "loss_weights": {
        "rpn_class_loss": 1,
        "rpn_bbox_loss": 1,
        "mrcnn_class_loss": 1,
        "mrcnn_bbox_loss": 1,
        "mrcnn_mask_loss": 1,
    },
}


def test_matterports_numbers():
    assert MatterportConfig(compatibility="matterport").model_dump(mode="json") == MATTERPORT


def test_sizes_and_counts_but_for_the_rpns_width_are_matterports_by_default():
    values = MatterportConfig().model_dump(mode="json")
    assert {name: values[name] for name in MATTERPORT if name not in compatibility.MATTERPORT} == {
        name: value for name, value in MATTERPORT.items() if name not in compatibility.MATTERPORT
    } | {"compatibility": None, "rpn_channels": 256}


def test_older_conventions_imply_the_wide_rpn_of_their_weights():
    widths = [MatterportConfig(compatibility=name).rpn_channels for name in (None, "matterport", "supervisely")]
    assert widths == [256, 512, 512]
    assert MatterportConfig(compatibility="matterport", rpn_channels=64).rpn_channels == 64


def test_crop_and_resize_implies_its_one_sample():
    assert MatterportConfig(roi_align="crop_and_resize").roi_sampling_ratio == 1


def test_a_dump_loads_again():
    config = MatterportConfig(backbone="resnet50", anchor_sizes=(8, 16, 32, 64, 128), mask_pool_size=7, mask_size=14)
    assert MatterportConfig.model_validate(config.model_dump(mode="json")) == config


def test_one_loss_weight_leaves_the_others():
    weights = load.load_train_config({"model": {"loss_weights": {"mrcnn_mask_loss": 2}}}).model.loss_weights
    assert (weights.mrcnn_mask_loss, weights.rpn_class_loss) == (2.0, 1.0)


def test_loss_weights_may_name_losses_of_extra_heads():
    values = {"extra_heads": ["mark"], "loss_weights": {"mrcnn_mark_loss": 3, "mrcnn_mask_loss": 2}}
    model = load.load_train_config({"model": values}).model
    assert model.extra_losses == ("mrcnn_mark_loss",)
    dumped = model.model_dump(mode="json")
    assert dumped["loss_weights"] == {**MATTERPORT["loss_weights"], "mrcnn_mark_loss": 3, "mrcnn_mask_loss": 2}
    assert MatterportConfig.model_validate(dumped) == model
    # the heads may be those of the start weights
    assert load.load_train_config({"model": {"loss_weights": {"off_loss": 0.5}}}).model.extra_losses == ("off_loss",)
    assert MatterportConfig().extra_losses == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backbone": "vgg"}, "`model.backbone` must be 'resnet101' or 'resnet50', got \"vgg\""),
        ({"channels": 4}, "`model.image_mean` must hold one number per channel, 4, got 3"),
        ({"anchor_sizes": [8, 16]}, "`model.anchor_sizes` must have at least 5 items, got [8, 16]"),
        ({"anchor_sizes": [1] * 6}, "`model.anchor_sizes` must have at most 5 items, got [1, 1, 1, 1, 1, 1]"),
        ({"anchor_sizes": [8, 16, 32, 64, 0]}, "`model.anchor_sizes[4]` must be greater than 0, got 0"),
        ({"anchor_aspect_ratios": []}, "`model.anchor_aspect_ratios` must have at least 1 item, got []"),
        ({"anchor_offset": 1}, "`model.anchor_offset` must be less than 1, got 1"),
        ({"rpn_negative_iou": 0.8}, "`model.rpn_negative_iou` must not exceed `rpn_positive_iou`, got 0.8 and 0.7"),
        ({"mask_size": 56}, "`model.mask_size` must be twice `mask_pool_size`, got 56 and 14; use 28"),
        ({"mask_size": 14}, "`model.mask_size` must be twice `mask_pool_size`, got 14 and 14; use 28"),
        ({"roi_positive_fraction": 0}, "`model.roi_positive_fraction` must be greater than 0, got 0"),
        ({"compatibility": "keras"}, "`model.compatibility` must be 'matterport' or 'supervisely', got \"keras\""),
        ({"compatibility": ["a"]}, "`model.compatibility` must be 'matterport' or 'supervisely', got [\"a\"]"),
        (
            {"compatibility": "matterport", "roi_sampling_ratio": 2},
            "`model.roi_sampling_ratio` must be 1 with `roi_align` crop_and_resize, got 2",
        ),
        ({"mask_threshold": 1.0}, "`model.mask_threshold` must be less than 1, got 1.0"),
        ({"rpn_delta_std": [0.1, 0.1, 0.2]}, "`model.rpn_delta_std[3]` must be given"),
        ({"loss_weights": {"rpn_class_loss": -1}}, "`model.loss_weights.rpn_class_loss` must be greater than or equal"),
        (
            {"loss_weights": {"x_loss": -1}},
            "`model.loss_weights.x_loss` must be greater than or equal to 0, got -1",
        ),
        ({"mask_szie": 28}, "unknown key `model.mask_szie`; did you mean `mask_size`"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(UserError) as caught:
        load.load_train_config({"model": values})
    assert str(caught.value).startswith(message)


def test_a_list_with_a_wrong_item_is_not_called_too_short_too():
    with pytest.raises(UserError) as caught:
        load.load_train_config({"model": {"anchor_aspect_ratios": [0]}})
    assert str(caught.value) == "`model.anchor_aspect_ratios[0]` must be greater than 0, got 0"


def test_configs_are_values():
    assert hash(MatterportConfig()) == hash(MatterportConfig())
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        MatterportConfig().channels = 4
