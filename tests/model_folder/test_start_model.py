import json

import h5py
import numpy as np
import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import start_model
from mrcnn.model_folder.record import Record
from mrcnn.weights import state_dict_write
from mrcnn.weights.maps.entries import Form
from tests.weights import foreign_examples

NEW = {"compatibility": None, "rpn_channels": 256}
MATTERPORT = {"compatibility": "matterport", "rpn_channels": 512}


def write_kernels(path, shapes):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in shapes]
        for layer, shape in shapes.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/kernel:0".encode()]
            group[f"{layer}/kernel:0"] = np.zeros(shape, "float32")


@pytest.fixture
def model_dir(tmp_path):
    path = tmp_path / "model"
    (path / "model_weights").mkdir(parents=True)
    (path / "model_weights" / "model.h5").touch()
    (path / "config.json").write_text(json.dumps({"class_title_to_idx": {"bg": 0, "ant": 1}}))
    return path


def test_find_start_model_model_folder_a_run_and_a_file_are_found(model_dir, tmp_path):
    weights = model_dir / "model_weights" / "model.h5"
    expected = start_model.StartModel(weights, Record.read(model_dir / "config.json"))
    assert start_model.find_start_model(str(model_dir)) == start_model.find_start_model(str(weights)) == expected
    (tmp_path / "alone.h5").touch()
    assert start_model.find_start_model(str(tmp_path / "alone.h5")) == start_model.StartModel(tmp_path / "alone.h5")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best").symlink_to(model_dir)
    assert start_model.find_start_model(str(tmp_path / "run")).weights.resolve() == weights
    assert start_model.find_start_model(str(model_dir)).class_title_to_idx() == {"bg": 0, "ant": 1}


def test_find_start_model_missing_weights_say_what_to_give(tmp_path):
    with pytest.raises(UserError, match=r"model_weights/model.h5 does not exist. Give --model"):
        start_model.find_start_model(str(tmp_path))


def test_find_start_model_going_on_needs_the_class_numbers(model_dir):
    with pytest.raises(UserError, match="Unable to continue_training, config for previous training wasn't found"):
        start_model.StartModel(model_dir / "model_weights" / "model.h5").class_title_to_idx()
    (model_dir / "config.json").write_text("{}")
    with pytest.raises(UserError, match="does not have class mapping information"):
        start_model.find_start_model(str(model_dir)).class_title_to_idx()


def test_find_start_model_file_inside_a_folder_stands_for_it_from_anywhere(model_dir, monkeypatch):
    monkeypatch.chdir(model_dir)
    found = start_model.find_start_model("model_weights/model.h5")
    assert found.class_title_to_idx() == {"bg": 0, "ant": 1}
    monkeypatch.chdir("model_weights")
    assert start_model.find_start_model("model.h5").class_title_to_idx() == {"bg": 0, "ant": 1}


def test_old_weights_have_the_conventions_of_their_code(model_dir, tmp_path):
    plugin = {"compatibility": "supervisely", "rpn_channels": 512}
    assert start_model.find_start_model(str(model_dir)).conventions() == plugin
    (model_dir / "config.json").unlink()  # transfer_learning of the original did without
    write_kernels(model_dir / "model_weights" / "model.h5", {"conv1": (1, 1, 3, 2)})
    assert start_model.find_start_model(str(model_dir)).conventions() == plugin
    write_kernels(tmp_path / "coco.h5", {"rpn_conv_shared": (3, 3, 256, 512)})
    assert start_model.StartModel(tmp_path / "coco.h5").conventions() == MATTERPORT


def test_a_weight_file_alone_keeps_its_widths(tmp_path):
    write_kernels(tmp_path / "slim.h5", {"rpn_conv_shared": (3, 3, 64, 256), "fpn_c5p5": (1, 1, 2048, 64)})
    found = start_model.StartModel(tmp_path / "slim.h5").conventions()
    assert found == {"compatibility": "matterport", "rpn_channels": 256, "fpn_channels": 64}


@pytest.mark.parametrize(("mine", "theirs"), [(None, MATTERPORT), ("matterport", {**NEW, "mask_targets": "cells"})])
def test_weights_keep_the_width_of_their_rpn_under_another_compatibility(mine, theirs):
    kept = start_model.keep_conventions({"compatibility": mine}, theirs)
    assert (kept.compatibility, kept.rpn_channels) == (mine, theirs["rpn_channels"])
    assert kept.mask_targets == ("soft" if mine is None else "corners")


@pytest.mark.parametrize(
    ("model", "conventions"),
    [
        ({}, NEW),
        (
            {"backbone": "resnet50", "fpn_channels": 8, "score_threshold": 0.1},
            {**NEW, "backbone": "resnet50", "fpn_channels": 8},
        ),
        (
            {"anchor_sizes": [8, 16, 32, 64, 128], "image_mean": [1, 2, 3]},
            {**NEW, "anchor_sizes": (8.0, 16.0, 32.0, 64.0, 128.0), "image_mean": (1.0, 2.0, 3.0)},
        ),
        ({"anchor_offset": 0.5}, {**NEW, "anchor_offset": 0.5}),
        ({"rpn_channels": 512}, {**NEW, "rpn_channels": 512}),
        ({"compatibility": "matterport"}, MATTERPORT),
        (
            {"compatibility": "matterport", "round_boxes": "never"},
            {**MATTERPORT, "round_boxes": "never"},
        ),
    ],
)
def test_a_model_key_tells_the_conventions_whole_or_in_part(model_dir, model, conventions):
    for written in (model, MatterportConfig(**model).model_dump(mode="json")):
        (model_dir / "config.json").write_text(json.dumps({"model": written}))
        assert start_model.find_start_model(str(model_dir)).conventions() == conventions


@pytest.mark.parametrize(
    ("model", "message"),
    [([], r"config\.json: `model` must be an object, got \[\]"), ({"bone": 1}, r"json: model\.bone")],
)
def test_a_malformed_model_names_the_file(model_dir, model, message):
    (model_dir / "config.json").write_text(json.dumps({"model": model}))
    with pytest.raises(UserError, match=message):
        start_model.find_start_model(str(model_dir)).conventions()


@pytest.mark.parametrize(
    ("settings", "other"),
    [
        ({"input_size": {"min_dim": 512, "max_dim": 512, "width": 0}}, False),
        ({"input_size": {"min_dim": 256, "max_dim": 512}}, True),
        ({"input_size": {"min_dim": 512, "max_dim": 1024}}, True),
        ({"input_size": {}}, False),
        ({"input_size": 3}, False),
        ({}, False),
        (None, False),
    ],
)
def test_another_input_size_is_told_where_the_folder_has_one(model_dir, settings, other):
    (model_dir / "config.json").write_text(json.dumps({"settings": settings}))
    line = start_model.find_start_model(str(model_dir)).other_size(512, 512)
    assert (line is not None) == other
    (model_dir / "config.json").unlink()
    assert start_model.find_start_model(str(model_dir)).other_size(512, 512) is None


OLD = {"compatibility": "supervisely"}


@pytest.mark.parametrize(
    ("given", "start", "kept"),
    [
        ({}, OLD, MatterportConfig(compatibility="supervisely")),
        ({"backbone": "resnet50"}, OLD, MatterportConfig(compatibility="supervisely", backbone="resnet50")),
        ({"anchor_offset": 0.5}, OLD, MatterportConfig(compatibility="supervisely", anchor_offset=0.5)),
        ({"compatibility": None}, OLD, MatterportConfig()),
        ({"compatibility": "matterport"}, OLD, MatterportConfig(compatibility="matterport")),
        ({}, {"compatibility": None}, MatterportConfig()),
        ({}, {**OLD, "round_boxes": "never"}, MatterportConfig(compatibility="supervisely", round_boxes="never")),
        (
            {"round_boxes": "at_end"},
            {**OLD, "round_boxes": "never"},
            MatterportConfig(compatibility="supervisely", round_boxes="at_end"),
        ),
        ({"compatibility": None}, {**OLD, "round_boxes": "at_end"}, MatterportConfig()),
        ({"compatibility": None}, {**OLD, "backbone": "resnet50"}, MatterportConfig(backbone="resnet50")),
    ],
)
def test_keep_conventions_what_the_user_gave_wins_over_the_start_weights(given, start, kept):
    assert start_model.keep_conventions(given, start) == kept


def test_keep_conventions_number_is_not_taken_over_without_its_word():
    start = {"compatibility": None, "roi_sampling_ratio": 3}
    assert start_model.keep_conventions({"roi_align": "crop_and_resize"}, start).roi_sampling_ratio == 1
    start = {"compatibility": None, "pre_nms_topk_scope": "pyramid", "pre_nms_topk": 6000}
    assert start_model.keep_conventions({"pre_nms_topk_scope": "level"}, start).pre_nms_topk == 2000


def test_keep_conventions_conventions_that_do_not_go_together_are_named():
    start = {"compatibility": None, "roi_align": "crop_and_resize", "roi_sampling_ratio": 1}
    with pytest.raises(
        UserError, match=r"`model\.roi_sampling_ratio` must be 1 with `roi_align` crop_and_resize, got 3"
    ):
        start_model.keep_conventions({"roi_sampling_ratio": 3}, start)


@pytest.mark.parametrize(
    ("given", "start"),
    [({}, {}), ({}, {"family": "toy"}), ({"family": "toy"}, {"family": "toy"}), ({"family": "matterport"}, {})],
)
def test_check_family_allows_the_family_of_the_start_weights(given, start):
    assert start_model.check_family(given, start) is None


@pytest.mark.parametrize(
    ("given", "start", "message"),
    [
        ({"family": "toy"}, {}, "must be matterport, as of the start weights, got toy; leave it out"),
        ({"family": "matterport"}, {"family": "toy"}, "must be toy, as of the start weights, got matterport"),
    ],
)
def test_check_family_refuses_another_one(given, start, message):
    with pytest.raises(UserError, match=message):
        start_model.check_family(given, start)


@pytest.fixture
def foreign_start(tmp_path):
    """Writes tensors to a file of another code base, and finds it as start weights."""

    def find(tensors, name="m.pth"):
        state_dict_write.write_torch(tmp_path / name, tensors)
        return start_model.find_start_model(str(tmp_path / name))

    return find


@pytest.mark.parametrize(
    ("code_base", "fields", "conventions"),
    [
        ("torchvision", {}, {"family": "torchvision"}),
        ("torchvision", {"form": foreign_examples.SECOND}, {"family": "torchvision_v2"}),
        (
            "detectron2",
            {"form": Form("resnet101"), "heads": ("keypoints",)},
            {
                "family": "detectron2",
                "backbone": "resnet101",
                "heads": ("keypoints",),
                "extra_heads": ("keypoints",),
            },
        ),
    ],
)
def test_conventions_of_another_code_base_are_in_its_file(foreign_start, code_base, fields, conventions):
    found = foreign_start(foreign_examples.detector(code_base, **fields))
    assert found.conventions() == conventions | foreign_examples.SIZES
    assert found.input_shape() == "rectangle"
    assert start_model.keep_conventions({}, found.conventions()).family == conventions["family"]


def test_conventions_of_a_published_file_are_known_by_its_name(foreign_start):
    found = foreign_start(foreign_examples.detector("torchvision"), "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth")
    assert found.conventions() == {"family": "torchvision", "norm_epsilon": 0.0} | foreign_examples.SIZES
    assert found.remark() is None


def test_conventions_of_a_lone_backbone_are_refused(foreign_start):
    with pytest.raises(UserError, match="holds the backbone of a model alone, a resnet50 of torchvision: give a whole"):
        foreign_start(foreign_examples.backbone("torchvision")).conventions()


def test_remark_lists_what_is_assumed_for_a_file_of_another_code_base(foreign_start):
    found = foreign_start(foreign_examples.detector("torchvision"))
    assert found.remark() == (
        f"{found.weights} does not contain the epsilon of its batch norms: 1e-05 is assumed; torchvision's published "
        "weights and what was trained from them have 0. To set it, set `model.norm_epsilon` in the config"
    )
    assert foreign_start(foreign_examples.detector("detectron2")).remark() is None


def test_class_title_to_idx_of_a_lone_file_of_another_code_base_is_unknown(foreign_start):
    with pytest.raises(
        UserError, match=r"config for previous training wasn't found beside .*m\.pth: give a model folder"
    ):
        foreign_start(foreign_examples.detector("torchvision")).class_title_to_idx()
