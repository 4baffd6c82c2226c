import json

import pytest

from mrcnn.config import legacy, load
from mrcnn.errors import UserError

from . import published


def train_with_warnings(values):
    warnings = []
    return load.load_train_config(values, warn=warnings.append), warnings


def inference_with_warnings(values):
    warnings = []
    return load.load_inference_config(values, warn=warnings.append), warnings


@pytest.mark.parametrize("values", published.TRAIN_CONFIGS.values(), ids=published.TRAIN_CONFIGS)
def test_convert_train_published_train_config_loads_as_it_is(values):
    config, warnings = train_with_warnings(values)
    assert warnings == []
    settings = config.to_settings()
    assert {key: settings[key] for key in values} == values | {
        "input_size": {**values["input_size"], "width": 0, "height": 0}
    }


@pytest.mark.parametrize("values", published.INFERENCE_CONFIGS.values(), ids=published.INFERENCE_CONFIGS)
def test_convert_inference_published_inference_config_loads_as_it_is(values):
    config, warnings = inference_with_warnings(values)
    assert warnings == []
    assert (config.mode.name, config.model.gpu_device, config.model.min_confidence_threshold) == ("full_image", 0, 0)
    assert config.mode.model_classes.renamed("car") == "car_maskrcnn"
    assert config.mode.model_tags.renamed("confidence") == "confidence_maskrcnn"
    assert config.mode.model_classes.selects("anything")


def test_convert_train_deprecated_config_page_loads_with_one_warning_a_key():
    config, warnings = train_with_warnings(published.DEPRECATED_TRAIN)
    assert (config.input_size.min_dim, config.input_size.max_dim) == (512, 512)
    assert config.special_classes.neutral == "neutral"
    assert warnings == [
        "`val_every` has no effect: validation runs once after every epoch; remove it",
        '`input_size.width` and `input_size.height` are old keys: write "input_size": {"min_dim": 512, "max_dim": 512}',
    ]


def test_convert_train_keys_of_other_plugins_have_one_warning_each():
    _, warnings = train_with_warnings(published.OTHER_PLUGINS_TRAIN)
    assert warnings == [
        "`data_workers` has no effect: the data pipeline chooses its own parallelism; remove it",
        "`validate_with_model_eval` has no effect: validation always runs the whole validation set; remove it",
    ]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"width": 640, "height": 448}, (448, 640)),
        ({"width": 448, "height": 640}, (448, 640)),
        ({"width": 500, "height": 300}, (300, 512)),  # 512 = 8 * 64, the next multiple
        ({"width": 640}, (640, 640)),
        ({"height": 100, "width": 0}, (100, 128)),
        ({"width": True, "height": 448}, (448, 448)),
    ],
)
def test_convert_train_width_and_height_become_dims(size, expected):
    config, (warning,) = train_with_warnings({"input_size": size})
    assert (config.input_size.min_dim, config.input_size.max_dim) == expected
    assert warning.endswith(f': write "input_size": {{"min_dim": {expected[0]}, "max_dim": {expected[1]}}}')


def test_convert_train_side_alone_is_named_alone():
    assert train_with_warnings({"input_size": {"width": 64}})[1] == [
        '`input_size.width` is an old key: write "input_size": {"min_dim": 64, "max_dim": 64}'
    ]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"width": 640, "height": 448, "max_dim": 256}, (256, 256)),
        ({"width": 640, "height": 448, "min_dim": 100}, (100, 256)),
        ({"width": 0, "height": 0}, (256, 256)),
        ({"width": -640, "height": "448"}, (256, 256)),
    ],
)
def test_convert_train_beside_dims_sides_have_no_effect_and_neither_have_placeholders(size, expected):
    config, warnings = train_with_warnings({"input_size": size})
    assert (config.input_size.min_dim, config.input_size.max_dim) == expected
    assert warnings == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"val_every": 0}, "`val_every` must be greater than 0, got 0"),
        ({"val_every": True}, "`val_every` must be a number, got true"),
        ({"data_workers": 4}, "`data_workers` must be an object, got 4"),
        ({"validate_with_model_eval": 1}, "`validate_with_model_eval` must be true or false, got 1"),
    ],
)
def test_a_legacy_key_of_the_wrong_type_is_an_error(values, message):
    with pytest.raises(UserError) as caught:
        load.load_train_config(values)
    assert str(caught.value) == message


def test_convert_inference_first_form_inference_config_is_read_with_one_warning_a_key():
    config, warnings = inference_with_warnings(published.FIRST_FORM_INFERENCE)
    assert (config.model.gpu_device, config.model.confidence_tag_name) == (1, "score")
    assert config.mode.model_classes.save_names == ("car",)
    assert config.mode.model_classes.renamed("car") == "car_old"
    assert not config.mode.existing_objects.selects("car")
    assert warnings == [
        '`mode.source` is an old key: write "mode": {"name": "full_image"}',
        '`model_classes` is an old key: write "mode": {"model_classes": {"save_names": ["car"], "add_suffix": "_old"}}',
        '`existing_objects` is an old key: write "mode": {"existing_objects": {"save_names": [], "add_suffix": ""}}',
        '`confidence_tag_name` is an old key: write "model": {"confidence_tag_name": "score"}',
        '`gpu_devices` is an old key: write "model": {"gpu_device": 1}',
    ]


def test_convert_inference_new_form_that_the_warnings_show_gives_the_same_without_a_warning():
    values = {
        "mode": {"source": "roi", "bounds": {"left": "10%"}},
        "model_classes": {"save_classes": ["x"], "save_names": ["car"], "add_suffix": "_old"},
        "gpu_devices": [3],
        "min_confidence_threshold": 0.75,
        "existing_objects": {"add_suffix": "_gt"},
    }
    config, warnings = inference_with_warnings(values)
    new = {"model": {}, "mode": {"bounds": {"left": "10%"}}}
    for line in warnings:
        for key, item in json.loads("{" + line.split(": write ")[1] + "}").items():
            new[key] |= item
    assert inference_with_warnings(new) == (config, [])


def test_convert_inference_what_is_there_already_wins_over_the_old_place():
    config, warnings = inference_with_warnings(
        {
            "mode": {"source": "roi", "name": "full_image", "model_classes": {"add_suffix": "_new"}},
            "model_classes": {"add_suffix": "_old"},
            "gpu_devices": [3],
            "gpu_device": 1,
        }
    )
    assert config.mode.model_classes.add_suffix == "_new"
    assert config.model.gpu_device == 1
    assert warnings == [
        "`mode.source` is an old key and has no effect beside `mode.name`; remove it",
        "`model_classes` is an old key and has no effect beside `mode.model_classes`; remove it",
        '`gpu_device` is an old key: write "model": {"gpu_device": 1}',
        "`gpu_devices` is an old key and has no effect beside `model.gpu_device`; remove it",
    ]


def test_convert_inference_old_source_that_never_was_is_named():
    with pytest.raises(UserError, match=r"`mode.name` must be one of full_image, .*, got \"bboxes_ocr\""):
        load.load_inference_config({"mode": {"source": "bboxes_ocr"}})


def test_convert_inference_beside_model_other_keys_have_no_effect():
    config, warnings = inference_with_warnings(
        {
            "model": {},
            "gpu_device": 5,
            "gpu_devices": [2],
            "model_classes": {"save_classes": []},
            "modes": {},
            "note": 1,
        }
    )
    assert config.model.gpu_device == 0
    assert config.mode.model_classes.selects("car")
    assert warnings == [
        '`gpu_device` has no effect beside `model`; write "model": {"gpu_device": 5}',
        '`model_classes` has no effect beside `model`; write "mode": {"model_classes": {"save_names": []}}',
        "`modes` has no effect beside `model`; did you mean `mode`",
        "`note` has no effect beside `model`; known here: model, mode",
        '`gpu_devices` has no effect beside `model`; write "model": {"gpu_device": 2}',
    ]


def test_convert_inference_existing_objects_and_the_modes_source_count_beside_model_too():
    config, warnings = inference_with_warnings(
        {"model": {}, "mode": {"source": "roi"}, "existing_objects": {"save_classes": ["car"]}}
    )
    assert config.mode.name == "roi"
    assert [config.mode.existing_objects.selects(name) for name in ("car", "tree")] == [True, False]
    assert warnings == [
        '`mode.source` is an old key: write "mode": {"name": "roi"}',
        '`existing_objects` is an old key: write "mode": {"existing_objects": {"save_names": ["car"]}}',
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modell": {}}, "unknown key `modell`; did you mean `model`"),
        ({"gpu_devices": []}, "`gpu_devices` must be a list with a device, got []; use `gpu_device` 0"),
        ({"gpu_devices": 1}, "`gpu_devices` must be a list with a device, got 1; use `gpu_device` 0"),
        ({"gpu_devices": ["a"]}, '`model.gpu_device` must be an integer, got "a"'),
        ({"existing_objects": 1}, "`mode.existing_objects` must be an object, got 1"),
        ({"existing_objects": {"save_classes": 1}}, '`mode.existing_objects.save_names` must be "__all__" or a list'),
        ({"num_processes": 4}, "unknown key `model.num_processes`"),
    ],
)
def test_wrong_old_configs_are_named(values, message):
    with pytest.raises(UserError) as caught:
        load.load_inference_config(values)
    assert str(caught.value).startswith(message)


def test_folder_model_only_the_plugin_wrote_folders_without_model():
    assert legacy.folder_model({"settings": {}}) == {"compatibility": "supervisely", "backbone": "resnet101"}
    assert legacy.folder_model({"model": {"backbone": "resnet50"}}) == {"backbone": "resnet50"}
    assert legacy.folder_model({"model": {}}) == {}


def test_the_users_config_is_not_changed():
    values = {"val_every": 1, "input_size": {"width": 64, "height": 64}}
    converted = legacy.convert_train(values, warn=lambda line: None)
    assert converted == {"input_size": {"width": 64, "height": 64, "min_dim": 64, "max_dim": 64}}
    assert values == {"val_every": 1, "input_size": {"width": 64, "height": 64}}
