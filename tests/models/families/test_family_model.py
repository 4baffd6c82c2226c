import re

import keras
import pytest

from mrcnn.models.families.family_model import LAYER_PATTERNS, FamilyModel
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.families.torchvision import Detectron2, Torchvision, TorchvisionV2

FAMILIES = (Matterport, Torchvision, TorchvisionV2, Detectron2)
SMALL = {"backbone": "resnet50", "fpn_channels": 4, "rpn_channels": 5, "box_fc_channels": 6, "post_nms_topk": 7}


@pytest.fixture(scope="module")
def model():
    return Torchvision(num_classes=3, settings=SMALL, name="mine", dtype="mixed_bfloat16")


def test_family_model_keeps_its_arguments_in_its_config(model):
    config = model.get_config()
    assert config["num_classes"] == 3
    assert {name: config["settings"][name] for name in SMALL} == SMALL
    revived = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert type(revived) is Torchvision
    assert (revived.num_classes, revived.settings, revived.name) == (3, model.settings, "mine")
    assert revived.backbone.stem.conv.feature_dtype == model.backbone.stem.conv.feature_dtype == "bfloat16"
    shapes = [[tuple(variable.shape) for variable in one.weights] for one in (model, revived)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_family_model_is_registered_with_keras(family):
    assert issubclass(family, FamilyModel)
    name = keras.saving.get_registered_name(family)
    assert name.startswith("mrcnn>")
    assert keras.saving.get_registered_object(name) is family


def test_family_model_settings_are_checked():
    with pytest.raises(ValueError, match="`mask_size` must be twice"):
        Torchvision(num_classes=2, settings={"mask_size": 56})


def test_family_model_weight_layout_lists_each_weight_once(model):
    listed = [id(variable) for _, weights in model.weight_layout() for _, variable in weights]
    assert sorted(listed) == sorted({id(variable) for variable in model.weights if "seed" not in variable.name})


@pytest.mark.parametrize(
    ("word", "trained", "left"),
    [
        ("heads", ["fpn_c2p2_bn", "rpn_conv_shared2", "mrcnn_box_conv1"], ["bn5a_branch1", "conv1"]),
        ("5+", ["res5a_branch1", "bn5a_branch1"], ["res4a_branch1"]),
        ("all", ["conv1"], []),
    ],
)
def test_layer_patterns_of_all_families(word, trained, left):
    for name in trained:
        assert re.fullmatch(LAYER_PATTERNS[word], name)
    for name in left:
        assert not re.fullmatch(LAYER_PATTERNS[word], name)
