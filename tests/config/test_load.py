import copy
import functools
import json
import operator
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.config import load
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError

from . import strategies


def write(path, text, **how):
    file = path / "task_config.json"
    if isinstance(text, bytes):
        file.write_bytes(text)
    else:
        file.write_text(text, encoding=how.get("encoding", "utf-8"))
    return file


def error_of(loader, source):
    with pytest.raises(UserError) as caught:
        loader(source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("defaults", "changes", "expected"),
    [
        ({}, {}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"d": 3}}}, {"a": {"b": {"c": 1, "d": 3}}}),
        ({"a": [1, 2, 3]}, {"a": [4]}, {"a": [4]}),
        ({"a": [{"x": 1}]}, {"a": [{"y": 2}]}, {"a": [{"y": 2}]}),
        ({"a": {"x": 1}}, {"a": 5}, {"a": 5}),
        ({"a": 5}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": None}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": 1}}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ],
)
def test_objects_are_merged_and_all_else_replaced(defaults, changes, expected):
    before = copy.deepcopy((defaults, changes))
    assert load.merge(defaults, changes) == expected
    assert (defaults, changes) == before


def test_a_list_in_a_config_is_replaced_whole():
    config = load.load_train_config({"model": {"anchor_aspect_ratios": [1]}, "gpu_devices": [2]})
    assert (config.model.anchor_aspect_ratios, config.gpu_devices) == ((1.0,), (2,))


def test_compatibility_sets_the_conventions_that_the_config_leaves_open():
    model = load.load_train_config({"model": {"compatibility": "matterport", "round_boxes": "never"}}).model
    assert model == MatterportConfig(compatibility="matterport", round_boxes="never")
    assert (model.anchor_offset, model.box_normalization, model.round_boxes) == (0, "minus_one", "never")


def test_a_config_knows_what_of_the_model_was_given():
    given = {"compatibility": "matterport", "loss_weights": {"rpn_class_loss": 2.0}, "roi_align": "crop_and_resize"}
    config = load.load_train_config({"model": given})
    assert config.given_model == {**given, "loss_weights": config.model.loss_weights.model_dump()}
    assert load.load_train_config({}).given_model == TrainConfig().given_model == {}
    assert load.load_train_config({"model": {}}).given_model == {}
    assert config.model_copy(update={"epochs": 3}).given_model == config.given_model


def test_a_file_and_its_content_give_the_same(tmp_path):
    values = {"lr": 0.5, "batch_size": {"train": 3}}
    file = write(tmp_path, json.dumps(values))
    assert load.load_train_config(file) == load.load_train_config(str(file)) == load.load_train_config(values)
    assert load.load_train_config(file).batch_size.val == 1


def test_load_json_suggests_the_preset_of_a_similar_name():
    assert error_of(load.load_json, "train_smal_dataset") == (
        "config file not found: train_smal_dataset; give the path of a JSON file or the name of a preset; "
        "did you mean train_small_dataset?"
    )


def test_a_byte_order_mark_is_read_over(tmp_path):
    assert load.load_json(write(tmp_path, '{"lr": 1}', encoding="utf-8-sig")) == {"lr": 1}


def test_a_missing_file_is_named(tmp_path):
    file = tmp_path / "none.json"
    assert (
        error_of(load.load_json, file)
        == f"config file not found: {file}; give the path of a JSON file or the name of a preset"
    )


def test_a_folder_is_no_config(tmp_path):
    assert error_of(load.load_json, tmp_path).startswith(f"cannot read the config file {tmp_path}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"lr": 1,}', "is not JSON: line 1 column 10: "),
        ('{\n"lr": 1\n"epochs": 2}', "is not JSON: line 3 column 1: "),
        ("", "is not JSON: line 1 column 1: "),
        ("[1]", "must hold a JSON object, got [1]"),
        ("null", "must hold a JSON object, got null"),
        (b"\xff\xfe{", "is not a readable JSON text: "),
        ("[" * 100_000, "is not a readable JSON text: "),
        ('{"lr": 1' + "0" * 5000 + "}", "is not a readable JSON text: "),
    ],
)
def test_an_unreadable_file_is_named(tmp_path, text, message):
    file = write(tmp_path, text)
    assert error_of(load.load_train_config, file).startswith(f"{file} {message}")


def test_load_mode_mode_that_is_no_object_is_refused():
    assert error_of(load.load_mode, "full_image") == '`mode` must be an object, got "full_image"'


def test_a_number_beyond_floats_is_no_number(tmp_path):
    assert error_of(load.load_train_config, write(tmp_path, '{"lr": 1e999}')) == (
        "`lr` must be a finite number, got Infinity"
    )


def test_deep_nesting_and_strange_keys_are_refused():
    deep: dict = {}
    for _ in range(50):
        deep = {"input_size": deep}
    assert error_of(load.load_train_config, deep).startswith("the config is nested more than 32 levels deep")
    assert error_of(load.load_train_config, {1: 2}).startswith("config keys must be strings of valid Unicode, got")
    assert error_of(load.load_train_config, {"\ud800": 2}).startswith("config keys must be strings of valid Unicode")


@pytest.mark.parametrize(
    ("values", "warnings"),
    [
        ({}, []),
        (
            {"dataset_tags": {"train": "all", "val": "all"}},
            ['`dataset_tags` names "all" for both sets: validation sees the training images'],
        ),
        ({"input_size": {"width": 3, "max_dim": 64}}, []),
        ({"$schema": "../docs/schemas/train.json"}, []),
        (
            {"input_size": {"max_dims": 512, "note": 1}},
            [
                "`input_size.max_dims` has no effect; did you mean `max_dim`",
                "`input_size.note` has no effect; known here: min_dim, max_dim, shape, train_min_dims",
            ],
        ),
        (
            {"imagenet_weights": "w.h5"},
            ["`imagenet_weights` has no effect with `weights_init_type` transfer_learning; use imagenet"],
        ),
        ({"imagenet_weights": "w.h5", "weights_init_type": "imagenet"}, []),
        ({"imagenet_weights": "w.h5", "weights_init_type": "auto"}, []),
        (
            {"epochs": 5, "lr_schedule": {"name": "step", "milestones": [4, 5, 6]}},
            ["`lr_schedule.milestones` [5.0, 6.0] are not reached in 5 `epochs`"],
        ),
    ],
)
def test_what_is_seldom_meant_is_a_warning(values, warnings):
    found = []
    load.load_train_config(values, warn=found.append)
    assert found == warnings


def test_configs_are_read_without_tensorflow_and_without_imgaug():
    code = "import sys, mrcnn.config.load; print(sorted({'tensorflow', 'keras', 'imgaug'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


LOADERS = (load.load_train_config, load.load_inference_config, load.load_deploy_config, load.load_mode)


def loads_or_names_the_fault(loader, values):
    """Checks that the loader reads the values, or refuses them in one short line that can be printed."""
    try:
        loader(values)
    except UserError as error:
        text = str(error)
        text.encode()
        return len(text.splitlines()) == 1 and len(text) < 2000
    return True


@given(strategies.OBJECTS, st.sampled_from(LOADERS))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_any_object_loads_or_is_refused_in_one_line(values, loader):
    assert loads_or_names_the_fault(loader, values)


@given(strategies.changed([strategies.FULL_TRAIN]))
@settings(max_examples=250, deadline=None, derandomize=True, database=None)
def test_a_full_config_with_one_value_changed_loads_or_is_refused_in_one_line(values):
    assert loads_or_names_the_fault(load.load_train_config, values)


WHOLE = [
    (load.load_train_config, strategies.FULL_TRAIN),
    *((load.load_inference_config, values) for values in strategies.FULL_INFERENCE),
    (load.load_deploy_config, strategies.FULL_DEPLOY[0]),
]
OTHER_TYPES = {
    bool: [0, 1, "true", None, [], {}],
    int: [True, 1.0, "1", None, [1], {}, 1.5],
    float: [True, "0.5", [0.5], {}],
    str: [1, True, None, {}, []],
    list: [1, "text", None, {}],
    dict: [1, "text", [], True],
}


@pytest.mark.parametrize(("loader", "values"), WHOLE)
def test_no_value_of_another_type_is_taken(loader, values):
    loader(values)
    taken = []
    for *way, last in (way for way in strategies.places(values) if way and "args" not in way):
        other = copy.deepcopy(values)
        place = functools.reduce(operator.getitem, way, other)
        is_selection = last in ("save_names", "save_classes", "from_classes")
        may_be_null = last in ("patience", "allowed_mask_classes", "min_dims", "energy_country")
        for wrong in OTHER_TYPES.get(type(place[last]), []):
            place[last] = wrong
            meant = (is_selection and wrong == []) or (may_be_null and wrong is None)
            if not (meant or refuses(loader, other)):
                taken.append((*way, last, wrong))
    assert taken == []


def refuses(loader, values):
    try:
        loader(values)
    except UserError:
        return True
    return False


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
def test_any_text_file_loads_or_is_refused_in_one_line(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("fuzz") / "config.json"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    assert loads_or_names_the_fault(load.load_train_config, file)


def test_an_inference_config_for_training_is_one_line(tmp_path):
    path = tmp_path / "inference.json"
    path.write_text('{"mode": {"name": "full_image"}, "model": {"min_confidence_threshold": 0.5}}')
    with pytest.raises(UserError) as caught:
        load.load_train_config(path)
    assert str(caught.value) == f"{path} is an inference config (`mode`); give a train config, see presets/README.md"


@pytest.mark.parametrize("read", [load.load_inference_config, load.load_deploy_config])
def test_a_train_config_elsewhere_is_one_line(read, tmp_path):
    path = tmp_path / "task_config.json"
    path.write_text('{"lr": 0.001, "epochs": 2, "model": {}}')
    with pytest.raises(UserError) as caught:
        read(path)
    expected = "is a train config (`lr`, `epochs`); give another one, or {} for the defaults"
    assert str(caught.value) == f"{path} {expected}"
    with pytest.raises(UserError, match="the config is a train config"):
        read({"lr": 0.001, "epochs": 2})


def test_a_list_of_presets_says_to_take_one(tmp_path):
    path = tmp_path / "predefined_run_configs.json"
    path.write_text('[{"title": "train"}]')
    with pytest.raises(UserError, match="save the `config` of one entry as a file"):
        load.load_train_config(path)


def test_load_json_waits_for_no_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    assert "pipe.json: it is no regular file" in error_of(load.load_json, tmp_path / "pipe.json")


def test_half_a_character_is_refused_before_it_reaches_a_checkpoint(tmp_path):
    (tmp_path / "c.json").write_text('{"special_classes": {"background": "b\\ud83dg"}}')
    with pytest.raises(UserError, match=r"c\.json holds half of a character .* in .*b\\ud83dg.*; correct it"):
        load.load_json(tmp_path / "c.json")
    (tmp_path / "c.json").write_text('{"special_classes": {"background": "\\ud83d\\ude00"}}')
    assert load.load_json(tmp_path / "c.json") == {"special_classes": {"background": "\U0001f600"}}
