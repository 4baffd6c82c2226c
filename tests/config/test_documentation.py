"""docs/configuration.md says every key, with the default that the code has."""

import json
import re
from pathlib import Path

import pytest

from mrcnn.config import augmentation, legacy, load, tables
from mrcnn.config.deploy import DeployConfig
from mrcnn.config.inference import MODES, InferenceModelConfig, Mode
from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.config.panoptic import PanopticConfig
from mrcnn.config.sampling import SamplingConfig
from mrcnn.config.train import CopyPasteConfig, EarlyStoppingConfig, ScaleJitterConfig, TrainConfig
from mrcnn.config.tta import TtaConfig

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
TABLES = {
    name: {key: row.default.strip("`") for key, row in rows.items()} for name, rows in tables.page_tables().items()
}
TRAINING = {
    key: default
    for name in ("training, of the original", "training, added", "model", "augmentation")
    for key, default in TABLES[name].items()
}


def section(heading):
    """Returns the text below a heading, up to the next one of its level or above."""
    level = heading.index(" ")
    return re.split(rf"\n#{{1,{level}}} ", PAGE.split(f"\n{heading}\n", 1)[1], maxsplit=1)[0]


def leaves(value, way=""):
    """Returns the dotted way to every value that is no object, with the value."""
    if not (isinstance(value, dict) and value):
        return [(way, value)]
    return [leaf for key, item in value.items() for leaf in leaves(item, f"{way}.{key}" if way else key)]


@pytest.mark.parametrize(("key", "default"), leaves(TrainConfig().model_dump(mode="json")))
def test_a_training_key_is_there_with_its_default(key, default):
    assert json.loads(TRAINING[key]) == default


OPTIONAL = [
    *leaves(EarlyStoppingConfig().model_dump(), "early_stopping"),
    *leaves(CopyPasteConfig().model_dump(), "copy_paste"),
    *leaves(ScaleJitterConfig().model_dump(), "scale_jitter"),
    *leaves(SamplingConfig().model_dump(), "sampling"),
]


@pytest.mark.parametrize(("key", "default"), OPTIONAL)
def test_a_key_of_an_optional_object_is_there_with_its_default(key, default):
    assert json.loads(TRAINING[key]) == default


INFERENCE = [*leaves(InferenceModelConfig().model_dump(), "model"), *leaves(TtaConfig().model_dump(), "model.tta")]


@pytest.mark.parametrize(("key", "default"), INFERENCE)
def test_an_inference_model_key_is_there_with_its_default(key, default):
    assert json.loads(TABLES["inference"][key]) == default


def mode_rows(name):
    """Returns the rows of every mode and of this one."""
    return {**TABLES["inference"], **TABLES.get(f"mode {name}", {})}


COMMON = {way for way, _ in leaves(Mode(name="any").model_dump(), "mode")}
OWN = [
    (name, way, default)
    for name, mode in MODES.items()
    for way, default in leaves(mode().model_dump(mode="json"), "mode")
    if way not in COMMON
]


@pytest.mark.parametrize("key", sorted(COMMON))
def test_a_key_of_every_mode_is_there(key):
    assert key in mode_rows("none")


@pytest.mark.parametrize(("name", "key", "default"), OWN)
def test_a_mode_key_is_there_with_its_default(name, key, default):
    assert json.loads(mode_rows(name)[key]) == default


def test_no_mode_key_is_documented_that_does_not_exist():
    for name in MODES:
        known = COMMON | {key for mode, key, _ in OWN if mode == name}
        assert {key for key in mode_rows(name) if key.startswith("mode.")} - known == set()


def test_a_service_key_is_there_with_its_default():
    assert json.loads(TABLES["service"]["cache_limit"]) == DeployConfig().cache_limit


def test_no_key_is_documented_that_does_not_exist():
    known = {way for way, _ in leaves(TrainConfig().model_dump(mode="json"))}
    known |= {way for way, _ in OPTIONAL}
    # a dump leaves out their defaults
    known |= {"input_size.shape", "input_size.train_min_dims", "model.family", "model.extra_heads", "model.image_fit"}
    known |= {f"model.keypoints.{name}" for name in KeypointTemplate.model_fields}
    known |= {"model.keypoints", "model.keypoint_channels", "model.keypoint_normalizer"}
    known |= {"model.class_agnostic_masks", "model.mask_head", "model.mask_train_boxes"}
    known |= {"model.mask_supervision", "model.mask_points", "model.mask_point_share"}
    known |= {"model.box_head", "model.cascade_ious", "model.cascade_delta_std"}
    known |= {"model.class_loss", "model.federated_classes", "model.stuff_classes"}
    known |= {f"model.panoptic.{name}" for name in PanopticConfig.model_fields}
    known |= {"early_stopping", "augmentation[].name", "augmentation[].args", "augmentation[].children"}
    assert set(TRAINING) - known == set()


def test_the_page_lists_the_allowed_augmenters_and_no_others():
    words = PAGE.split("- Containers:")[1].split("\nThe list was made")[0]
    listed = {
        word.strip("-:,.;\n ") for word in words.replace(":", ",").replace("\n", " ").replace(".", ",").split(",")
    }
    assert set(augmentation.ALLOWED) - listed == set()
    assert [name for name in ("RandAugment", "Jigsaw", "Superpixels") if name in listed] == []


def test_the_example_on_the_page_loads():
    example = section("### Augmentation").split("```json\n")[1].split("```")[0]
    assert len(load.load_train_config(json.loads(example)).augmentation) == 3


def test_the_page_says_why_an_old_key_has_no_effect():
    old = section("### Keys of older plugins")
    for key, reason in legacy.WITHOUT_EFFECT.items():
        (line,) = [line for line in old.splitlines() if line.startswith(f"| `{key}` |")]
        assert line.endswith(f"| no effect: {reason} |")


def test_the_warnings_on_the_page_are_real():
    lines = []
    load.load_inference_config({"mode": {"source": "full_image"}, "gpu_devices": [1]}, warn=lines.append)
    for line in lines:
        assert f"\nwarning: {line}\n" in PAGE


def test_the_error_lines_on_the_page_are_real():
    for values, key in (({"input_size": {"max_dim": 250}}, "max_dim"), ({"epoch": 1}, "epoch")):
        with pytest.raises(ValueError, match=key) as caught:
            load.load_train_config(values)
        assert f"error: {caught.value}" in PAGE
