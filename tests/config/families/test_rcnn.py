"""What all families with a ResNet and a feature pyramid share."""

import pytest
from pydantic import ValidationError

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.rcnn import LossWeights, RcnnConfig, check_channels, other_default
from mrcnn.config.families.torchvision import Detectron2Config, TorchConfig, TorchvisionConfig, TorchvisionV2Config

FAMILIES = (MatterportConfig, TorchvisionConfig, TorchvisionV2Config, Detectron2Config)


def test_other_default_keeps_the_description_alone():
    field = other_default(RcnnConfig, "backbone", "resnet50")
    assert field.default == "resnet50"
    assert (
        field.description == RcnnConfig.model_fields["backbone"].description == "the network below the feature pyramid"
    )


def test_check_channels_requires_one_number_for_each():
    check_channels("x", (1.0, 2.0), channels=2)
    with pytest.raises(ValueError, match=r"^`x` must hold one number per channel, 3, got 2$"):
        check_channels("x", (1.0, 2.0), channels=3)


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_titles_and_backbone(family):
    config = family(backbone="resnet50")
    assert config.resnet.backbone == "resnet50"
    assert config.extra_losses == ()
    more = {"2+"} if issubclass(family, TorchConfig) else set()
    assert set(family.TRAIN_LAYERS) == {"all", "3+", "4+", "5+", "heads"} | more
    assert family.LOSSES == tuple(LossWeights.model_fields)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mask_size": 56}, "`mask_size` must be twice `mask_pool_size`, got 56 and 14; use 28"),
        (
            {"rpn_negative_iou": 0.8},
            "`rpn_negative_iou` must not exceed `rpn_positive_iou`, got 0.8 and 0.7",
        ),
        ({"anchor_sizes": (8, 16)}, "at least 5 items"),
        ({"channels": 4}, "`image_mean` must hold one number per channel, 4, got 3"),
    ],
)
def test_rcnn_config_checks_what_belongs_together(family, values, message):
    with pytest.raises(ValidationError) as caught:
        family(**values)
    assert message in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_network_names_are_fields(family):
    assert set(family.NETWORK) <= set(family.model_fields)
    assert len(set(family.NETWORK)) == len(family.NETWORK)


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_a_dump_loads_again(family):
    config = family(backbone="resnet101", mask_pool_size=7, mask_size=14, loss_weights={"rpn_bbox_loss": 2})
    assert family.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_an_hourglass_implies_its_published_sizes(family):
    config = family(mask_head="hourglass20")
    sizes = (config.mask_pool_size, config.mask_size, config.gt_mask_size)
    assert (*sizes, config.class_agnostic_masks) == (32, 64, 112, True)
    assert (config.has_hourglass, config.has_class_masks) == (True, False)
    other = family(mask_head="hourglass20", mask_pool_size=8, gt_mask_size=28, class_agnostic_masks=False)
    assert (other.mask_pool_size, other.mask_size, other.gt_mask_size, other.has_class_masks) == (8, 16, 28, True)
    usual = family()
    assert (usual.mask_head, usual.has_hourglass, usual.mask_size, usual.has_class_masks) == ("fcn", False, 28, True)


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_pointrend_implies_its_published_sizes_and_has_a_loss_of_its_own(family):
    config = family(mask_head="pointrend")
    assert (config.mask_pool_size, config.mask_size, config.gt_mask_size) == (14, 224, 112)
    assert (config.has_pointrend, config.has_hourglass, config.has_class_masks) == (True, False, True)
    assert config.refines_cells
    assert not config.model_copy(update={"mask_head": "fcn"}).refines_cells
    assert config.losses == (*family().losses, "mrcnn_mask_point_loss")
    other = family(mask_head="pointrend", mask_pool_size=8, mask_size=16, gt_mask_size=28, class_agnostic_masks=True)
    assert (other.mask_size, other.gt_mask_size, other.class_agnostic_masks) == (16, 28, True)
    assert family(mask_head="pointrend", mask_pool_size=8).mask_size == 128
    assert family.model_validate(config.model_dump(mode="json")) == config
    assert {config.trained_with()[name] for name in ("mask_head", "mask_size")} == {"pointrend", 224}
    assert not family().has_pointrend


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_an_hourglass_survives_a_dump_and_is_taken_over(family):
    config = family(mask_head="hourglass32", mask_train_boxes="ground_truth")
    assert family.model_validate(config.model_dump(mode="json")) == config
    taken = config.trained_with()
    assert {taken[name] for name in ("mask_head", "mask_pool_size", "mask_size")} == {"hourglass32", 32, 64}
    assert taken["class_agnostic_masks"]
    assert "mask_train_boxes" not in taken


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_a_dump_of_the_usual_head_can_be_read_by_older_versions(family):
    dump = family().model_dump(mode="json")
    newer = {"mask_head", "mask_train_boxes", "mask_supervision", "mask_points", "mask_point_share"}
    assert not newer & dump.keys()
    # only the families of torchvision and detectron2 have always had this key
    assert ("class_agnostic_masks" in dump) == (family is not MatterportConfig)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mask_head": "hourglass20", "mask_pool_size": 14}, "multiple of 4 with `mask_head` hourglass20, got 14"),
        ({"mask_head": "hourglass52", "mask_pool_size": 16}, "with `mask_head` hourglass52, got 16; use 32"),
        ({"mask_head": "hourglass20", "mask_size": 28}, "`mask_size` must be twice `mask_pool_size`, got 28 and 32"),
        ({"mask_head": "pointrend", "mask_pool_size": 7}, "multiple of 2 with `mask_head` pointrend, got 7; use 6"),
        (
            {"mask_head": "pointrend", "mask_size": 84},
            "must be 28, 56, 112 and so on with `mask_head` pointrend and `mask_pool_size` 14, got 84; use 224",
        ),
        ({"mask_head": "pointrend", "mask_size": 14}, "must be 28, 56, 112 and so on"),
        ({"mask_head": "pointrend", "mask_pool_size": "14"}, "mask_pool_size"),
        ({"mask_head": "hourglass10"}, "'fcn', 'hourglass20'"),
        ({"mask_head": ["hourglass20"]}, "'fcn', 'hourglass20'"),
        ({"mask_head": "hourglass20", "mask_pool_size": "8"}, "mask_pool_size"),
        ({"mask_train_boxes": "gt"}, "'proposals', 'ground_truth' or 'both'"),
        ({"mask_supervision": "boxes"}, "'masks' or 'points'"),
        ({"mask_points": 0}, "greater than or equal to 1"),
        ({"mask_point_share": 0}, "greater than 0"),
        ({"mask_point_share": 1.5}, "less than or equal to 1"),
    ],
)  # fmt: skip
def test_rcnn_config_refuses_a_mask_head_that_cannot_be_built(values, message):
    with pytest.raises(ValidationError) as caught:
        MatterportConfig(**values)
    assert message in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_cascade_has_the_published_stages(family):
    config = family(box_head="cascade")
    assert config.is_cascade
    assert config.cascade_ious == (0.5, 0.6, 0.7)
    # detectron2's weights, of which these are the inverses: (10, 10, 5, 5), (20, 20, 10, 10), (30, 30, 15, 15)
    expected = [[10, 10, 5, 5], [20, 20, 10, 10], [30, 30, 15, 15]]
    assert [[round(1 / value, 9) for value in stage] for stage in config.cascade_delta_std] == expected
    assert config.last_delta_std == config.cascade_delta_std[-1]
    assert getattr(config, "class_agnostic_boxes", True) is True
    single = family()
    assert (single.box_head, single.is_cascade, single.last_delta_std) == ("single", False, (0.1, 0.1, 0.2, 0.2))


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_losses_of_a_cascade_are_those_of_its_stages(family):
    assert family().losses == family.LOSSES
    two = {"cascade_ious": (0.5, 0.6), "cascade_delta_std": ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1))}
    assert family(box_head="cascade", **two).losses == (
        *family.LOSSES, "mrcnn_class_loss_stage2", "mrcnn_bbox_loss_stage2",
    )  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"cascade_ious": (0.5, 0.6)},
            "`cascade_delta_std` must have 2 entries, one for each stage of `cascade_ious`, got 3",
        ),
        ({"cascade_ious": (0.5,)}, "at least 2 items"),
        ({"cascade_ious": (0.5, 0.0, 0.7)}, "greater than 0"),
        (
            {"cascade_ious": (0.4, 0.5, 0.6)},
            "`roi_positive_iou` must be the first of `cascade_ious`, 0.4, got 0.5; set both",
        ),
        (
            {"box_delta_std": (0.2, 0.2, 0.2, 0.2)},
            "`box_delta_std` must be the first of `cascade_delta_std`, [0.1, 0.1, 0.2, 0.2], got [0.2, 0.2, 0.2, 0.2]",
        ),
        ({"box_head": "cascades"}, "'single' or 'cascade'"),
    ],
)
def test_rcnn_config_checks_the_stages_of_a_cascade(family, values, message):
    with pytest.raises(ValidationError) as caught:
        family(**{"box_head": "cascade", **values})
    assert message in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_a_dump_of_a_single_box_head_has_no_key_of_a_cascade(family):
    """Older versions refuse keys that they do not know."""
    keys = {"box_head", "cascade_ious", "cascade_delta_std"}
    assert not keys & set(family().model_dump(mode="json"))
    dumped = family(box_head="cascade").model_dump(mode="json")
    assert dumped["box_head"] == "cascade"
    assert family.model_validate(dumped) == family(box_head="cascade")
    assert family(box_head="cascade").trained_with()["box_head"] == "cascade"


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_needs_points_where_masks_learn_from_them(family):
    assert family().needs == ()
    config = family(mask_supervision="points", mask_points=20, mask_point_share=1)
    assert config.needs == ("mask_points",)
    assert family.model_validate(config.model_dump(mode="json")) == config
    assert not {"mask_supervision", "mask_points"} & config.trained_with().keys()  # a choice of each training
    if "heads" in family.model_fields:
        assert family(mask_supervision="points", heads=["keypoints"]).needs == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_rcnn_config_class_loss_decides_the_form_of_scores(family):
    forms = {name: family(class_loss=name) for name in ("softmax", "sigmoid", "federated")}
    assert [config.class_scoring for config in forms.values()] == ["softmax", "sigmoid", "sigmoid"]
    assert [config.uses_class_counts for config in forms.values()] == [False, False, True]
    # older versions refuse keys that they do not know
    assert not {"class_loss", "federated_classes"} & set(family().model_dump(mode="json"))
    dumped = family(class_loss="federated", federated_classes=9).model_dump(mode="json")
    assert family.model_validate(dumped) == family(class_loss="federated", federated_classes=9)
    assert family(class_loss="sigmoid").trained_with()["class_loss"] == "sigmoid"
