import pytest

from mrcnn.config import compatibility
from mrcnn.config.families.matterport import MatterportConfig


@pytest.mark.parametrize("name", [None, "matterport", "supervisely"])
def test_with_conventions_one_word_sets_every_convention(name):
    config = MatterportConfig(compatibility=name)
    assert {key: getattr(config, key) for key in compatibility.BETTER} == compatibility.CONVENTIONS[name]
    assert MatterportConfig(**config.model_dump(mode="json")) == config


def test_the_tables_name_the_same_conventions():
    assert set(compatibility.BETTER) == set(compatibility.MATTERPORT) == set(compatibility.SUPERVISELY)
    assert {name: MatterportConfig.model_fields[name].default for name in compatibility.BETTER} == compatibility.BETTER


def test_what_the_two_older_codes_do_differently():
    differ = {name for name, value in compatibility.MATTERPORT.items() if compatibility.SUPERVISELY[name] != value}
    assert differ == {"box_normalization", "image_resize", "mask_paste", "round_boxes"}


def test_with_conventions_given_field_wins():
    given = {"compatibility": "matterport", "roi_align": "unaligned", "pre_nms_topk": 10}
    config = MatterportConfig(**given)
    assert (config.roi_align, config.pre_nms_topk, config.anchor_offset) == ("unaligned", 10, 0.0)
    assert compatibility.with_conventions(given)["roi_sampling_ratio"] == 1
