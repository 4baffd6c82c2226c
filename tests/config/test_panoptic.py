import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.load import load_train_config
from mrcnn.errors import UserError


def test_panoptic_rules_are_those_of_detectron2():
    rules = MatterportConfig(stuff_classes=("sky",)).semantic_rules
    assert rules == (("sky",), 0.5, 0.5, 4096)


def test_panoptic_rules_are_keys_of_the_model():
    model = {"panoptic": {"stuff_area": 0, "overlap": 0.25, "score_threshold": 0.75}}
    assert load_train_config({"model": model}).model.semantic_rules == ((), 0.75, 0.25, 0)


def test_defaults_are_left_out_of_model_folders():
    assert not {"stuff_classes", "panoptic"} & MatterportConfig().model_dump().keys()
    dump = MatterportConfig(stuff_classes=("sky",)).model_dump(mode="json")
    assert dump["stuff_classes"] == ["sky"]


@pytest.mark.parametrize(
    ("special", "message"),
    [
        ({"stuff": ["sky", "sky"]}, 'stuff` must list other classes, each once, got "sky" again'),
        ({"stuff": ["bg"]}, 'got "bg" again'),
        ({"neutral": "n", "stuff": ["sky", "n"]}, 'got "n" again'),
        ({"stuff": [""]}, "must not be empty"),
    ],
)
def test_stuff_classes_are_classes_of_their_own(special, message):
    with pytest.raises(UserError, match=message):
        load_train_config({"special_classes": special})


def test_stuff_classes_are_in_the_settings_of_a_model_folder():
    config = load_train_config({"special_classes": {"stuff": ["sky"]}})
    assert config.to_settings()["special_classes"] == {"background": "bg", "stuff": ["sky"]}
    assert "stuff" not in load_train_config({}).to_settings()["special_classes"]
