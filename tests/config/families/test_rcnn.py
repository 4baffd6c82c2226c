"""What all families with a ResNet and a feature pyramid share."""

import pytest
from pydantic import ValidationError

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.rcnn import LossWeights, RcnnConfig, check_channels, other_default
from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config

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
    assert set(family.TRAIN_LAYERS) == {"all", "3+", "4+", "5+", "heads"}
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
