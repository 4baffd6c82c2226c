from typing import Literal

import pytest

from mrcnn.config.base import PositiveInt
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.model import ModelConfig
from mrcnn.errors import UserError
from mrcnn.structures import ResNetRules


class Toy(ModelConfig):
    NETWORK = (*ModelConfig.NETWORK, "depth")

    family: Literal["toy"] = "toy"
    depth: PositiveInt = 2


def test_a_dump_names_every_family_but_the_default_one():
    assert Toy(depth=3).model_dump(mode="json")["family"] == "toy"
    assert "family" not in MatterportConfig(family="matterport").model_dump(mode="json")
    assert MatterportConfig.model_validate(MatterportConfig().model_dump()).family == "matterport"


def test_a_dump_leaves_out_what_older_readers_refuse_where_it_is_the_default():
    assert "extra_heads" not in Toy().model_dump()
    assert Toy(extra_heads=("one",)).model_dump(mode="json")["extra_heads"] == ["one"]
    assert MatterportConfig().model_dump(include={"channels"}) == {"channels": 3}


def test_trained_with_are_the_family_and_what_differs_from_its_defaults():
    assert Toy(depth=3, score_threshold=0.2, image_range=4095).trained_with() == {
        "family": "toy",
        "image_range": 4095,
        "depth": 3,
    }
    assert Toy().trained_with() == {"family": "toy"}
    assert MatterportConfig().trained_with() == {"compatibility": None, "rpn_channels": 256}


def test_a_family_says_by_itself_what_the_program_asks_of_it():
    toy, ours = Toy(), MatterportConfig(backbone="resnet50", batch_norm="trained")
    assert (toy.title, toy.resnet, toy.uses_batch_statistics) == ("toy", None, False)
    assert (ours.title, ours.resnet, ours.uses_batch_statistics) == ("resnet50", ResNetRules("resnet50"), True)


def test_check_layers_lists_the_words_of_the_family():
    assert Toy().check_layers("all") is None
    with pytest.raises(UserError, match=r"^`train_layers` of toy must be 'all', got \"heads\"$"):
        Toy().check_layers("heads")
