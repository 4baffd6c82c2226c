"""A weight file alone: what its shapes tell, what has to be assumed, and what is refused."""

import h5py
import numpy as np
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import lone_file
from mrcnn.weights import hdf5, names
from tests import old_weights


@pytest.fixture
def old_file(tmp_path):
    return lambda depth=50, **changes: old_weights.write_skeleton(tmp_path / "old.h5", depth, **changes)


@pytest.mark.parametrize("depth", [50, 101])
def test_model_config_matterports_numbers_give_matterports_network(old_file, depth):
    path = old_file(depth)
    config = lone_file.model_config(lone_file.read_facts(path), path)
    assert config == MatterportConfig(compatibility="matterport", backbone=f"resnet{depth}")
    assert config.box_normalization == "minus_one"
    assert lone_file.assumptions(lone_file.read_facts(path), path) == ()


def test_model_config_sizes_come_from_the_file(old_file):
    path = old_file(
        fpn_c5p5_kernel=(1, 1, 1, 64),
        rpn_conv_shared_kernel=(3, 3, 1, 32),
        mrcnn_class_conv1_kernel=(5, 5, 1, 128),
        mrcnn_class_logits_kernel=(1, 9),
    )
    facts = lone_file.read_facts(path)
    config = lone_file.model_config(facts, path)
    assert facts.num_classes == 9
    assert (config.fpn_channels, config.rpn_channels, config.box_fc_channels, config.box_pool_size) == (64, 32, 128, 5)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_assumptions_channels_come_from_the_file_and_the_means_are_told(old_file, channels):
    path = old_file(conv1_kernel=(7, 7, channels, 1))
    facts = lone_file.read_facts(path)
    config = lone_file.model_config(facts, path)
    assert config.channels == len(config.image_mean) == channels
    (line,) = lone_file.assumptions(facts, path)
    assert f"takes images of {channels} channels but does not contain their means; " in line


def test_image_mean_means_of_other_channels_are_the_average():
    assert lone_file.image_mean(3) == (123.7, 116.8, 103.9)
    assert lone_file.image_mean(1) == pytest.approx((114.8,))  # (123.7 + 116.8 + 103.9) / 3
    assert lone_file.image_mean(2) == pytest.approx((114.8, 114.8))
    assert lone_file.image_mean(5) == pytest.approx((123.7, 116.8, 103.9, 114.8, 114.8))


def test_model_config_other_anchors_are_refused(old_file):
    path = old_file(rpn_class_raw_kernel=(1, 1, 1, 10))
    with pytest.raises(UserError, match=r"old\.h5 has 5 anchors per location and does not contain their shapes"):
        lone_file.model_config(lone_file.read_facts(path), path)


def test_assumptions_file_of_this_project_is_read_with_a_remark(tmp_path, old_file):
    with h5py.File(old_file(), "a") as handle:
        handle.attrs["writer"] = np.bytes_(hdf5.WRITER)
    facts = lone_file.read_facts(tmp_path / "old.h5")
    (line,) = lone_file.assumptions(facts, "m.h5")
    assert line == (
        "m.h5 was written by this project, but comes without its config.json: it is read by the conventions of "
        "matterport; give its model folder if it has one"
    )


def test_model_config_file_in_the_plugins_place_has_the_plugins_conventions(tmp_path):
    path = tmp_path / "model_weights" / "model.h5"
    path.parent.mkdir()
    old_weights.write_skeleton(path, 101)
    facts = lone_file.read_facts(path)
    assert lone_file.model_config(facts, path) == MatterportConfig(compatibility="supervisely")
    assert lone_file.model_config(facts, "model.h5") == MatterportConfig(compatibility="matterport")


def test_read_facts_incomplete_file_is_refused(old_file):
    with pytest.raises(UserError, match=r"is no whole Mask R-CNN, it lacks 2 layers \(res3a_branch1, mrcnn_mask\)"):
        lone_file.read_facts(old_file(drop=("res3a_branch1", "mrcnn_mask")))
    with pytest.raises(UserError, match=r"is no whole Mask R-CNN, it lacks 25 layers \(fpn_c5p5, "):
        lone_file.read_facts(old_file(drop=(*names.FPN_LAYERS, names.RPN_MODEL, *names.HEAD_LAYERS)))


def test_read_facts_another_architecture_is_refused(tmp_path):
    path = old_weights.write_file(tmp_path / "dense.h5", {"dense": {"dense/kernel:0": np.ones(3)}})
    with pytest.raises(UserError, match=r"dense\.h5 is no Mask R-CNN, it lacks 131 layers \(conv1, .*mrcnn inspect"):
        lone_file.read_facts(path)


@pytest.mark.parametrize("kernel", ["conv1", "mrcnn_class_logits", "rpn_class_raw"])
def test_read_facts_kernel_without_shape_is_damage(old_file, kernel):
    with pytest.raises(UserError, match=f"has no usable kernel of {kernel}: it is damaged"):
        lone_file.read_facts(old_file(**{f"{kernel}_kernel": ()}))


def test_input_size_is_matterports_or_the_users():
    assert (lone_file.input_size(None).min_dim, lone_file.input_size(None).max_dim) == (800, 1024)
    assert (lone_file.input_size([300, 512]).min_dim, lone_file.input_size([300, 512]).max_dim) == (300, 512)
    with pytest.raises(UserError, match=r"`input_size\.max_dim` must be a multiple of 64, got 500; use 512"):
        lone_file.input_size([300, 500])
