import pickle

import pytest

from mrcnn.config import load
from mrcnn.config.base import Index, Settings
from mrcnn.config.given import UserSettings, dotted_keys
from mrcnn.config.inference import InferenceConfig


class Inner(Settings):
    x: Index = 0
    y: Index = 0


class Outer(UserSettings):
    a: Index = 1
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({}, set()),
        ({"a": 1}, {"a"}),
        ({"inner": {}}, {"inner"}),
        ({"inner": {"y": 0}}, {"inner", "inner.y"}),
        ({"inner": Inner(y=2)}, {"inner", "inner.x", "inner.y"}),
    ],
)
def test_given_holds_the_keys_of_the_values_and_no_defaults(values, keys):
    assert Outer(**values).given == Outer.model_validate(values).given == keys


def test_dotted_keys_do_not_look_into_lists():
    assert list(dotted_keys({"b": [{"c": 1}], "a": {"b": {"c": 1}}})) == ["b", "a", "a.b", "a.b.c"]
    assert list(dotted_keys({})) == []


def test_copies_keep_what_was_given_and_a_change_adds_nothing():
    settings = Outer(a=3)
    for copy in (
        settings.model_copy(),
        settings.model_copy(update={"inner": Inner(x=5)}),
        pickle.loads(pickle.dumps(settings)),
    ):
        assert copy.given == {"a"}
    assert Outer.model_validate(settings) is settings


def test_also_given_leaves_the_original_as_it_is():
    settings = Outer(a=3)
    assert settings.also_given(["inner.x"]).given == {"a", "inner.x"}
    assert settings.given == {"a"}


def test_load_train_config_records_the_user_s_keys_alone():
    config = load.load_train_config({"lr": 0.1, "model": {"compatibility": "matterport", "channels": 3}})
    assert config.given == {"lr", "model", "model.compatibility", "model.channels"}
    assert config.given_model == {"compatibility": "matterport", "channels": 3}
    assert load.load_train_config({}).given == frozenset()


def test_with_model_counts_the_named_keys_as_given():
    config = load.load_train_config({"model": {"channels": 3}})
    changed = config.with_model(config.model.model_copy(update={"image_range": 4095}), given=["image_range"])
    assert changed.given_model == {"channels": 3, "image_range": 4095}
    untold = config.model_copy(update={"model": config.model.model_copy(update={"image_range": 4095})})
    assert untold.given_model == {"channels": 3}


def test_load_inference_config_records_the_gpu_where_it_is_given():
    assert "gpu_device" in load.load_inference_config({"model": {"gpu_device": 0}}).model.given
    assert "gpu_device" in load.load_inference_config({"gpu_devices": [0]}).model.given
    assert load.load_inference_config({"model": {"score_floor": 0.0}}).model.given == {"score_floor"}
    assert InferenceConfig().model.given == frozenset()


def test_load_deploy_config_records_the_gpu_where_it_is_given():
    assert load.load_deploy_config({"model_settings": {"gpu_device": 1}}).given == {"gpu_device"}
    assert load.load_deploy_config({}).given == frozenset()
