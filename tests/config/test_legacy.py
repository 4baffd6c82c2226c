import pytest

from mrcnn.config import legacy, load
from mrcnn.events import UserError


def train_with_warnings(values):
    warnings = []
    return load.load_train_config(values, warn=warnings.append), warnings


def inference_with_warnings(values):
    warnings = []
    return load.load_inference_config(values, warn=warnings.append), warnings


def test_the_deprecated_config_page_loads_with_one_warning_a_key():
    config, warnings = train_with_warnings(
        {
            "input_size": {"width": 512, "height": 512},
            "special_classes": {"background": "bg", "neutral": "neutral"},
            "val_every": 0.5,
            "data_workers": {"train": 4, "val": 2},
            "validate_with_model_eval": True,
        }
    )
    assert (config.input_size.min_dim, config.input_size.max_dim) == (512, 512)
    assert config.special_classes.neutral == "neutral"
    assert warnings == [
        "`val_every` has no effect: validation runs once after every epoch",
        "`data_workers` has no effect: the data pipeline chooses its own parallelism",
        "`validate_with_model_eval` has no effect: validation always runs the whole validation set",
        "`input_size.width` and `input_size.height` are old keys: read as `min_dim` 512 and `max_dim` 512; "
        "give those instead",
    ]


@pytest.mark.parametrize(
    ("size", "expected", "warned"),
    [
        ({"width": 640, "height": 448}, (448, 640), True),
        ({"width": 640, "height": 448, "max_dim": 256}, (256, 256), False),
        ({"width": 640, "height": 448, "min_dim": 100}, (100, 256), False),
        ({"width": 0, "height": 0}, (256, 256), False),
        ({"width": 640}, (256, 256), False),
        ({"width": True, "height": 448}, (256, 256), False),
    ],
)
def test_width_and_height_count_only_without_dims(size, expected, warned):
    config, warnings = train_with_warnings({"input_size": size})
    assert (config.input_size.min_dim, config.input_size.max_dim) == expected
    assert bool(warnings) is warned


def test_mapped_sides_obey_the_multiple_of_64():
    with pytest.raises(UserError, match=r"`input_size.max_dim` must be a multiple of 64, got 500; use 512"):
        load.load_train_config({"input_size": {"width": 500, "height": 300}})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"val_every": 0}, "`val_every` must be a number greater than 0, got 0; or remove it: validation runs"),
        ({"val_every": True}, "`val_every` must be a number greater than 0, got true; or remove it"),
        ({"data_workers": 4}, "`data_workers` must be an object, got 4; or remove it"),
        ({"validate_with_model_eval": 1}, "`validate_with_model_eval` must be true or false, got 1; or remove it"),
    ],
)
def test_a_legacy_key_of_the_wrong_type_is_an_error(values, message):
    with pytest.raises(UserError) as caught:
        load.load_train_config(values)
    assert str(caught.value).startswith(message)


def test_a_first_form_inference_config_is_read():
    config, warnings = inference_with_warnings(
        {
            "mode": {"source": "full_image"},
            "model_classes": {"save_classes": ["car"], "add_suffix": "_old"},
            "gpu_devices": [1, 2],
            "existing_objects": {"save_classes": "__all__", "add_suffix": ""},
            "confidence_tag_name": "score",
        }
    )
    assert (config.model.gpu_device, config.model.confidence_tag_name) == (1, "score")
    assert config.mode.model_classes.save_classes == ("car",)
    assert config.mode.model_classes.renamed("car") == "car_old"
    assert warnings == [
        "`mode.source` is an old key: read as `mode.name`; give that instead",
        "`model_classes` at top level is an old key: read as `mode.model_classes`; give that instead",
        "`gpu_devices` is an old key: read as `gpu_device` 1; give that instead",
        "`existing_objects` has no effect: the original objects are all kept",
    ]


def test_what_is_there_already_wins_over_the_old_place():
    config, _ = inference_with_warnings(
        {
            "mode": {"source": "roi", "name": "full_image", "model_classes": {"add_suffix": "_new"}},
            "model_classes": {"add_suffix": "_old"},
            "gpu_devices": [3],
            "gpu_device": 1,
        }
    )
    assert config.mode.model_classes.add_suffix == "_new"
    assert config.model.gpu_device == 1


def test_an_old_source_that_is_to_come_is_named():
    with pytest.raises(UserError, match=r"`mode.name` sliding_window is not available in this version"):
        load.load_inference_config({"mode": {"source": "sliding_window"}})


def test_beside_model_other_keys_have_no_effect():
    config, warnings = inference_with_warnings({"model": {}, "gpu_device": 5, "modes": {}})
    assert config.model.gpu_device == 0
    assert warnings == [
        "`gpu_device` has no effect beside `model`; known here: model, mode",
        "`modes` has no effect beside `model`; did you mean `mode`",
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modell": {}}, "unknown key `modell`; did you mean `model`"),
        ({"gpu_devices": []}, "`gpu_devices` must be a list with a device, got []; use `gpu_device` 0"),
        ({"gpu_devices": 1}, "`gpu_devices` must be a list with a device, got 1; use `gpu_device` 0"),
        ({"gpu_devices": ["a"]}, '`model.gpu_device` must be an integer, got "a"'),
        ({"existing_objects": 1}, "`existing_objects` must be an object, got 1; or remove it"),
        ({"num_processes": 4}, "unknown key `model.num_processes`"),
    ],
)
def test_wrong_old_configs_are_named(values, message):
    with pytest.raises(UserError) as caught:
        load.load_inference_config(values)
    assert str(caught.value).startswith(message)


def test_only_the_plugin_wrote_folders_without_model():
    assert legacy.folder_model({"settings": {}}) == {"compatibility": "supervisely", "backbone": "resnet101"}
    assert legacy.folder_model({"model": {"backbone": "resnet50"}}) == {"backbone": "resnet50"}
    assert legacy.folder_model({"model": {}}) == {}


def test_the_users_config_is_not_changed():
    values = {"val_every": 1, "input_size": {"width": 64, "height": 64}}
    converted = legacy.convert_train(values, warn=lambda line: None)
    assert converted == {"input_size": {"width": 64, "height": 64, "min_dim": 64, "max_dim": 64}}
    assert values == {"val_every": 1, "input_size": {"width": 64, "height": 64}}
