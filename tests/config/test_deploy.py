import pytest

from mrcnn.config import load
from mrcnn.errors import UserError

from . import published


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (0, 0.0, 500)),
        ({"gpu_device": 1, "min_confidence_threshold": 0.5}, (1, 0.5, 500)),
        ({"model": {"gpu_device": 1}, "cache_limit": 7}, (1, 0.0, 7)),
        (
            {
                "gpu_device": 2,
                "min_confidence_threshold": 0.5,
                "cache_limit": 9,
                "connection": {"server_address": "a", "token": "secret", "task_id": 1},
                "model_settings": {"gpu_device": 2, "min_confidence_threshold": 0.5},
                "model": {"gpu_device": 3},
            },
            (2, 0.5, 9),
        ),
    ],
)
def test_flat_and_platform_forms_load(values, expected):
    config = load.load_deploy_config(values)
    assert (config.gpu_device, config.min_confidence_threshold, config.cache_limit) == expected


def test_connection_is_answered_by_a_warning_that_keeps_its_token_secret():
    warnings = []
    load.load_deploy_config({"connection": {"token": "secret"}}, warn=warnings.append)
    assert warnings == ["`connection` has no effect: the service is not connected to a platform"]


def warnings_of(values):
    warnings = []
    load.load_deploy_config(values, warn=warnings.append)
    return warnings


def test_a_platforms_task_config_loads_with_one_warning_a_key():
    assert warnings_of(published.TASK_DEPLOY) == [
        "`connection` has no effect: the service is not connected to a platform",
        '`model_settings` is an old form: write "gpu_device": 0, "min_confidence_threshold": 0.5',
    ]


@pytest.mark.parametrize(
    ("values", "warnings"),
    [
        (published.FLAT_DEPLOY, []),
        ({"cache_limit": 500, "$schema": "../docs/schemas/deploy.json"}, []),
        ({"model": {}}, ["`model` is an old form: remove it"]),
        ({"model": {"gpu_device": 1}}, ['`model` is an old form: write "gpu_device": 1']),
        (
            {"model_settings": {"gpu_devices": [2, 0]}, "gpu_devices": [2, 0]},
            [
                '`gpu_devices` is an old key: write "gpu_device": 2',
                '`model_settings` is an old form: write "gpu_device": 2',
            ],
        ),
        (
            {"model_settings": {"gpu_device": 1}, "gpu_device": 2, "note": 1},
            [
                '`model_settings` is an old form: write "gpu_device": 1',
                "`gpu_device` has no effect beside `model_settings`; remove it",
                "`note` has no effect beside `model_settings`; remove it",
            ],
        ),
        (
            {"existing_objects": {"save_classes": [], "add_suffix": "_x"}},
            [
                '`existing_objects` has no effect here: write "existing_objects": {"save_names": [], '
                '"add_suffix": "_x"} in the `mode` of a request'
            ],
        ),
    ],
)
def test_an_old_form_is_answered_by_todays(values, warnings):
    assert warnings_of(values) == warnings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gpu_device": "0"}, '`gpu_device` must be an integer, got "0"'),
        ({"model_settings": {"gpu_device": "0"}}, '`model_settings.gpu_device` must be an integer, got "0"'),
        ({"model": []}, "`model` must be an object, got []"),
        ({"model": {"gpu": 1}}, "unknown key `model.gpu`"),
        ({"cache_limit": 0}, "`cache_limit` must be greater than or equal to 1, got 0"),
        ({"cache_limits": 5}, "unknown key `cache_limits`"),
        ({"model_settings": {"gpu_devices": []}}, "`gpu_devices` must be a list with a device, got []"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(UserError) as caught:
        load.load_deploy_config(values)
    assert str(caught.value).startswith(message)


def test_a_services_mode_has_its_own_suffix():
    mode = load.load_mode({"model_tags": {"add_suffix": ""}})
    assert (mode.model_classes.add_suffix, mode.model_tags.add_suffix) == ("_model", "")


def test_the_config_of_an_inference_run_serves_too():
    lines = []
    values = {"mode": {"source": "full_image"}, "model_classes": {"save_classes": "__all__"}, "gpu_devices": [1]}
    config = load.load_deploy_config(values, warn=lines.append)
    assert config.gpu_device == 1
    assert [line for line in lines if "request" in line] == [
        "`mode` has no effect here: it belongs to a request",
        "`model_classes` has no effect here: it belongs to a request",
    ]
