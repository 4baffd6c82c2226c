"""docs/configuration.md says every key, with the default that the code has."""

import json
from pathlib import Path

import pytest

from mrcnn.config import augmentation, load
from mrcnn.config.deploy import DeployConfig
from mrcnn.config.inference import FullImageMode, InferenceModelConfig
from mrcnn.config.train import EarlyStoppingConfig, TrainConfig

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
TRAINING, REST = PAGE.split("\n## Inference\n")
INFERENCE, SERVICE = REST.split("\n## Service\n")


def leaves(value, way=""):
    """Returns the dotted way to every value that is no object, with the value."""
    if not (isinstance(value, dict) and value):
        return [(way, value)]
    return [leaf for key, item in value.items() for leaf in leaves(item, f"{way}.{key}" if way else key)]


def rows(text):
    """Returns the default cell of each key's row."""
    cells = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {row[0].strip("| `"): row[2].strip("` ") for row in cells}


@pytest.mark.parametrize(("key", "default"), leaves(TrainConfig().model_dump(mode="json")))
def test_a_training_key_is_there_with_its_default(key, default):
    assert json.loads(rows(TRAINING)[key]) == default


@pytest.mark.parametrize(("key", "default"), leaves(EarlyStoppingConfig().model_dump(), "early_stopping"))
def test_an_early_stopping_key_is_there_with_its_default(key, default):
    assert json.loads(rows(TRAINING)[key]) == default


@pytest.mark.parametrize(("key", "default"), leaves(InferenceModelConfig().model_dump(), "model"))
def test_an_inference_model_key_is_there_with_its_default(key, default):
    assert json.loads(rows(INFERENCE)[key]) == default


@pytest.mark.parametrize("key", [way for way, _ in leaves(FullImageMode().model_dump(), "mode")])
def test_a_mode_key_is_there(key):
    assert key in rows(INFERENCE)


def test_a_service_key_is_there_with_its_default():
    assert json.loads(rows(SERVICE)["cache_limit"]) == DeployConfig().cache_limit


def test_no_key_is_documented_that_does_not_exist():
    known = {way for way, _ in leaves(TrainConfig().model_dump(mode="json"))}
    known |= {way for way, _ in leaves(EarlyStoppingConfig().model_dump(), "early_stopping")}
    known |= {"early_stopping", "augmentation[].name", "augmentation[].args", "augmentation[].children"}
    assert set(rows(TRAINING)) - known == set()


def test_the_page_lists_the_allowed_augmenters_and_no_others():
    words = TRAINING.split("- Containers:")[1].split("\nThe list was made")[0]
    listed = {
        word.strip("-:,.;\n ") for word in words.replace(":", ",").replace("\n", " ").replace(".", ",").split(",")
    }
    assert set(augmentation.ALLOWED) - listed == set()
    assert [name for name in ("RandAugment", "Jigsaw", "Superpixels") if name in listed] == []


def test_the_example_on_the_page_loads():
    example = PAGE.split("```json\n")[1].split("```")[0]
    assert len(load.load_train_config(json.loads(example)).augmentation) == 3


def test_the_error_lines_on_the_page_are_real():
    for values, key in (({"input_size": {"max_dim": 250}}, "max_dim"), ({"epoch": 1}, "epoch")):
        with pytest.raises(ValueError, match=key) as caught:
            load.load_train_config(values)
        assert f"error: {caught.value}" in PAGE
