"""Every file of presets/ loads without a warning; the published ones have the published values."""

import json
from pathlib import Path

import pytest

from mrcnn.config import load, presets
from mrcnn.config.inference import MODES

from . import published

PRESETS = Path(__file__).parents[2] / "presets"
PUBLISHED = PRESETS / "predefined_run_configs.json"
INFERENCE = sorted(PRESETS.glob("inference*.json"))
DEPLOY = sorted(PRESETS.glob("deploy*.json"))
TRAIN = sorted(set(PRESETS.glob("*.json")) - {PUBLISHED, *INFERENCE, *DEPLOY})

# The plugin's predefined_run_configs.json, release 5.16.
PUBLISHED_VALUES = [
    {"title": "train", "type": "train", "config": published.TRAIN},
    {"title": "full_image", "type": "inference", "config": published.INFERENCE_CONFIGS["5.16"]},
]


def no_warning(line):
    raise AssertionError(line)


def test_the_published_file_is_verbatim_in_values():
    assert json.loads(PUBLISHED.read_text()) == PUBLISHED_VALUES


def test_the_published_presets_load():
    train = load.load_train_config(PUBLISHED_VALUES[0]["config"], warn=no_warning)
    assert (train.epochs, train.lr, train.input_size.max_dim) == (5, 0.001, 256)
    inference = load.load_inference_config(PUBLISHED_VALUES[1]["config"], warn=no_warning)
    assert inference.model.score_threshold(0.7) == 0.7
    assert inference.mode.model_tags.renamed("confidence") == "confidence_maskrcnn"


def test_there_are_presets_of_each_kind():
    assert len(TRAIN) >= 7
    assert len(INFERENCE) >= 2
    assert len(DEPLOY) >= 1


@pytest.mark.parametrize("path", TRAIN, ids=lambda path: path.name)
def test_a_train_preset_loads_and_says_only_what_it_changes(path):
    config = load.load_train_config(path, warn=no_warning)
    defaults = load.load_train_config({}).model_dump(mode="json")
    assert config.model_dump(mode="json") != defaults


@pytest.mark.parametrize("path", INFERENCE, ids=lambda path: path.name)
def test_an_inference_preset_loads(path):
    assert load.load_inference_config(path, warn=no_warning).mode.name in MODES


def test_there_is_an_inference_preset_of_each_mode():
    assert {load.load_inference_config(path).mode.name for path in INFERENCE} == set(MODES)


@pytest.mark.parametrize("path", DEPLOY, ids=lambda path: path.name)
def test_a_deploy_preset_loads(path):
    assert load.load_deploy_config(path, warn=no_warning).cache_limit == 500


def test_the_guide_names_every_preset():
    guide = (PRESETS / "README.md").read_text()
    assert [path.name for path in PRESETS.glob("*.json") if f"`{path.name}`" not in guide] == []


@pytest.mark.parametrize("name", ["demo", "demo.json", "presets/demo.json", Path("presets") / "demo.json"])
def test_find_takes_the_name_of_a_preset(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert presets.find(name) == PRESETS / "demo.json"
    assert load.load_train_config(name).epochs == json.loads((PRESETS / "demo.json").read_text())["epochs"]


@pytest.mark.parametrize("name", ["demon", "demo.txt", "other/demo.json", "/presets/demo.json"])
def test_find_leaves_other_paths_alone(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert presets.find(name) == Path(name)


def test_find_prefers_the_file_that_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.json").write_text("{}")
    assert presets.find("demo.json") == Path("demo.json")


def test_similar_finds_a_mistyped_name_and_nothing_for_another_word():
    assert presets.similar("nucle_cpu.json") == "nuclei_cpu"
    assert presets.similar("my_config.json") is None
