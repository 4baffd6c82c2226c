import json

import pytest

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.errors import UserError
from mrcnn.model_folder.record import Record


def record(path, **content):
    (path / "config.json").write_text(json.dumps(content))
    return Record.read(path / "config.json")


def test_read_names_a_file_that_is_missing_or_no_object(tmp_path):
    with pytest.raises(UserError, match=r"config file not found: .*config\.json"):
        Record.read(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UserError, match=r"config\.json"):
        Record.read(tmp_path / "config.json")


@pytest.mark.parametrize("mapping", [None, [], {"bg": 0, "ant": "1"}, {"bg": 0, "ant": True}, {"bg": 0, "ant": 1.0}])
def test_class_title_to_idx_is_none_where_a_title_has_no_number(tmp_path, mapping):
    assert record(tmp_path, class_title_to_idx=mapping).class_title_to_idx is None


def test_class_title_to_idx(tmp_path):
    assert record(tmp_path, class_title_to_idx={"bg": 0, "ant": 1}).class_title_to_idx == {"bg": 0, "ant": 1}
    assert record(tmp_path).class_title_to_idx is None


@pytest.mark.parametrize(
    ("settings", "size", "shape"),
    [
        ({"input_size": {"max_dim": 64, "shape": "rectangle"}}, {"max_dim": 64, "shape": "rectangle"}, "rectangle"),
        ({"input_size": {"max_dim": 64}}, {"max_dim": 64}, "square"),
        ({"input_size": {"shape": 3}}, {"shape": 3}, "square"),
        ({"input_size": 3}, {}, "square"),
        ([], {}, "square"),
    ],
)
def test_input_size_and_input_shape(tmp_path, settings, size, shape):
    found = record(tmp_path, settings=settings)
    assert (found.input_size, found.input_shape) == (size, shape)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"settings": {"precision": "mixed_bfloat16"}}, "mixed_bfloat16"),
        ({"settings": {"precision": "float64"}}, "float32"),
        ({"settings": {}}, "float32"),
        ({"settings": 3}, "float32"),
        ({}, "float32"),
    ],
)
def test_precision_is_float32_where_a_checkpoint_does_not_say(tmp_path, content, expected):
    assert record(tmp_path, **content).precision == expected


def test_model_is_that_of_the_plugin_without_the_key(tmp_path):
    assert record(tmp_path).model() == MatterportConfig(compatibility="supervisely", backbone="resnet101")
    assert record(tmp_path, model={"fpn_channels": 8}).model() == MatterportConfig(fpn_channels=8)


@pytest.mark.parametrize(
    ("model", "message"),
    [([], r"config\.json: `model` must be an object, got \[\]"), ({"bone": 1}, r"json: model\.bone")],
)
def test_model_names_the_file_where_it_is_malformed(tmp_path, model, message):
    with pytest.raises(UserError, match=message):
        record(tmp_path, model=model).model()


def test_counts_are_whole_numbers_from_1(tmp_path):
    found = record(tmp_path, model={"a": 1, "b": 0, "c": True, "d": "2", "e": 2.0, "f": 7})
    assert found.counts("a", "b", "c", "d", "e", "missing") == {"a": 1}
    assert record(tmp_path, model=3).counts("a") == {}


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [({"train": 4, "val": 2}, 4), ({"train": "auto"}, None), ({"train": 0}, None), ({"train": 2.0}, None), (3, None)],
)
def test_train_batch_is_none_where_it_is_no_whole_number(tmp_path, batch_size, expected):
    assert record(tmp_path, settings={"batch_size": batch_size}).train_batch == expected
    assert record(tmp_path).train_batch is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"allowed_mask_classes": ["ant", "bee"]}, ("ant", "bee")),
        ({"allowed_mask_classes": None}, None),
        ({"allowed_mask_classes": "ant"}, None),
        ({}, None),
        ([], None),
    ],
)
def test_mask_classes_are_those_of_the_settings(tmp_path, settings, expected):
    assert record(tmp_path, settings=settings).mask_classes == expected
