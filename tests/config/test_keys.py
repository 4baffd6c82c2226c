import pytest

from mrcnn.config import keys
from mrcnn.config.inference import MODES


@pytest.mark.parametrize("name", MODES)
def test_mode_keys_have_the_suffix_of_an_inference_run(name):
    selections = keys.mode_keys(name)["properties"]
    suffixes = [selections[key]["properties"]["add_suffix"]["default"] for key in ("model_classes", "model_tags")]
    assert suffixes == ["_maskrcnn" if name == "full_image" else ""] * 2
    assert selections["existing_objects"]["properties"]["add_suffix"]["default"] == ""


def test_mode_name_is_one_of_the_modes():
    assert keys.mode_name()["enum"] == list(MODES)
    assert keys.mode_name()["default"] == "full_image"
