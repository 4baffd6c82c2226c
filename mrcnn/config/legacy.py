"""Converts older configs to today's form, and holds the model settings of older models.

Each old key causes one warning that shows the new form as JSON, ready to be copied into the config.
Source: the deprecated Mask R-CNN config page, the v1 inference configs that release 5.16 converted, the deploy task
configs that the platform writes, and the networks that this release and Matterport's trained.
"""

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from mrcnn.config import errors
from mrcnn.config.base import SIZE_STEP, Flag, Positive, Settings
from mrcnn.config.inference import InferenceModelConfig
from mrcnn.errors import UserError

Warn = Callable[[str], None]

PLUGIN_MODEL: Mapping[str, Any] = {"compatibility": "supervisely", "backbone": "resnet101"}  # of every plugin folder
FILE_MODEL: Mapping[str, Any] = {"compatibility": "matterport"}  # of a lone weight file; its shapes hold the sizes

SIDES = ("width", "height")  # of `input_size`, older than `min_dim` and `max_dim`
TASK_FORMS = (
    "model_settings",
    "model",
)  # keys that hold the settings of a platform's deploy config; the first one present counts
PLACES = {  # top-level key of an inference config's first form: its key in today's form
    "model_classes": "mode.model_classes",
    "existing_objects": "mode.existing_objects",
    **{key: f"model.{key}" for key in InferenceModelConfig.model_fields},
    "gpu_devices": "model.gpu_device",
}
OF_REQUESTS = ("mode", "model_classes")  # an inference config's keys that belong to each request of a service
_BESIDE_SETTINGS = ("cache_limit", "connection", *TASK_FORMS)
WITHOUT_EFFECT = {
    "val_every": "validation runs once after every epoch",
    "data_workers": "the data pipeline chooses its own parallelism",
    "validate_with_model_eval": "validation always runs the whole validation set",
}


class OldTrainKeys(Settings):
    """What older plugins' train configs may hold besides; without effect, so no default means anything."""

    val_every: Positive = Field(default=1, description=f"No effect: {WITHOUT_EFFECT['val_every']}.")
    data_workers: dict[str, Any] = Field(default={}, description=f"No effect: {WITHOUT_EFFECT['data_workers']}.")
    validate_with_model_eval: Flag = Field(
        default=True, description=f"No effect: {WITHOUT_EFFECT['validate_with_model_eval']}."
    )


def convert_train(values: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    """Converts a user's train config to today's form, without the keys of older plugins.

    Keys without effect are dropped. Where the user gave neither `min_dim` nor `max_dim`, they become the smaller and
    the larger of `input_size.width` and `height`, the larger rounded up to a multiple of `SIZE_STEP`; the original
    silently used 256.

    Args:
        values: the user's config before the merge with the defaults.
        warn: called with one line for each old key.

    Raises:
        UserError: the value of a legacy key is of the wrong type.
    """
    kept = dict(values)
    old = {key: kept.pop(key) for key in WITHOUT_EFFECT if key in kept}
    errors.check(OldTrainKeys, old)
    for key in old:
        warn(f"`{key}` has no effect: {WITHOUT_EFFECT[key]}; remove it")
    size = kept.get("input_size")
    if isinstance(size, Mapping) and not {"min_dim", "max_dim"} & set(size):
        kept["input_size"] = {**size, **_dims_from_sides(size, warn=warn)}
    return kept


def convert_inference(values: Mapping[str, Any], *, warn: Warn) -> dict[str, dict[str, Any]]:
    """Converts an inference config to today's form, `{"model": ..., "mode": ...}`.

    A config without `model` has the first form: `model_classes`, `existing_objects` and the model's keys are at top
    level. With `model`, other top-level keys have no effect, as in the original, except `existing_objects`. In either
    form `mode.source` may hold the mode's name.

    Args:
        values: the user's config before the merge with the defaults.
        warn: called with one line for each key that is renamed or has no effect.

    Raises:
        UserError: `model`, `mode` or `gpu_devices` is of the wrong type, or `model` is misspelt.
    """
    config = {key: _object(values, key) for key in ("model", "mode")}
    others = {key: value for key, value in values.items() if key not in config}
    if "model" not in values:
        _check_first_form(others)
    if "source" in config["mode"]:
        _move(config["mode"].pop("source"), "mode.source", "mode.name", into=config, warn=warn)
    for key in sorted(others, key=lambda key: key == "gpu_devices"):  # last: `gpu_device` comes before it
        value = _in_new_form(key, others[key])
        if "model" in values and key != "existing_objects":
            fix = f"; write {_at(PLACES[key], value)}" if key in PLACES else errors.nearest(key, list(config))
            warn(f"`{errors.shown_path([key])}` has no effect beside `model`{fix}")
        elif key in PLACES:
            _move(value, key, PLACES[key], into=config, warn=warn)
        else:
            config["model"][key] = value  # an unknown key; the check of `model` reports it
    return config


def convert_deploy(values: Mapping[str, Any], *, warn: Warn) -> tuple[dict[str, Any], str]:
    """Converts a deploy config to today's flat form.

    A platform's task config has the settings in `model_settings`, and repeats them at top level, or in `model`. Its
    `connection` is not used and never shown in a message, since it holds a token.

    Args:
        values: the user's config.
        warn: called with one line for each key that is renamed or has no effect.

    Returns:
        The settings, and the key that held them; "" for a flat config.

    Raises:
        UserError: the settings are no object, or `gpu_devices` is of the wrong type.
    """
    form = next((key for key in TASK_FORMS if key in values), "")
    flat = {key: value for key, value in values.items() if key not in _BESIDE_SETTINGS}
    settings = _object(values, form) if form else dict(flat)
    if "connection" in values:
        warn("`connection` has no effect: the service is not connected to a platform")
    if "gpu_devices" in settings:
        _check_devices(settings)
        value = _in_new_form("gpu_devices", settings.pop("gpu_devices"))
        _move(value, "gpu_devices", "gpu_device", into=settings, warn=warn)
    if "existing_objects" in settings:
        new = _in_new_form("existing_objects", settings.pop("existing_objects"))
        warn(f"`existing_objects` has no effect here: write {_at('existing_objects', new)} in the `mode` of a request")
    for key in OF_REQUESTS:
        if settings.pop(key, None) is not None:
            warn(f"`{key}` has no effect here: it belongs to a request")
    if form:
        warn(f"`{form}` is an old form: {f'write {_pasted(settings)}' if settings else 'remove it'}")
        for key in flat:
            if flat[key] != _object(values, form).get(key):
                warn(f"`{errors.shown_path([key])}` has no effect beside `{form}`; remove it")
    if "cache_limit" in values:
        settings["cache_limit"] = values["cache_limit"]
    return settings, form


def folder_model(content: Mapping[str, Any]) -> Any:
    """Returns the `model` object of a model folder's config.json, unchecked.

    The plugin wrote none, since it had a single network; its settings are the default.
    """
    return content.get("model", PLUGIN_MODEL)


def _object(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key, {})
    if not isinstance(value, Mapping):
        raise UserError(f"`{key}` must be an object, got {errors.shown(value)}")
    return dict(value)


def _check_first_form(others: Mapping[str, Any]) -> None:
    """Checks a config of the first form: no misspelt `model` or `mode`, valid devices.

    Without this check a misspelt `model` would be reported as an unknown key of `model`.

    Raises:
        UserError: a key resembles `model` or `mode`, or `gpu_devices` is no list with a device.
    """
    for key in others:
        if difflib.get_close_matches(key, ["model", "mode"], cutoff=0.75):
            raise UserError(f"unknown key `{errors.shown_path([key])}`{errors.nearest(key, ['model', 'mode'])}")
    _check_devices(others)


def _check_devices(values: Mapping[str, Any]) -> None:
    devices = values.get("gpu_devices", [0])
    if not isinstance(devices, (list, tuple)) or not devices:
        raise UserError(f"`gpu_devices` must be a list with a device, got {errors.shown(devices)}; use `gpu_device` 0")


def _in_new_form(key: str, value: Any) -> Any:
    """Converts an old key's value to the form of its new key.

    A value of a wrong type is returned unchanged; the check of the new key reports it.
    """
    if key == "gpu_devices":
        return value[0] if isinstance(value, (list, tuple)) and value else value
    if key in ("model_classes", "existing_objects") and isinstance(value, Mapping) and "save_classes" in value:
        others = {name: item for name, item in value.items() if name != "save_classes"}
        return {"save_names": value["save_classes"], **others}
    return value


def _move(value: Any, old: str, place: str, *, into: dict[str, Any], warn: Warn) -> None:
    """Moves an old key's value to its new key and warns with the new form.

    A value that the new key already has is kept, and the old one is dropped.

    Args:
        value: the old key's value in its new form.
        old: the old key, for the warning.
        place: dotted path of the new key, such as `mode.name`.
        into: the config, changed in place.
        warn: called with one line.
    """
    parent, _, key = place.rpartition(".")
    target = into[parent] if parent else into
    if key in target:
        warn(f"`{old}` is an old key and has no effect beside `{place}`; remove it")
    else:
        target[key] = value
        warn(f"`{old}` is an old key: write {_at(place, value)}")


def _at(place: str, value: Any) -> str:
    """Returns the JSON of a value at a path such as `mode.name`, without outer braces."""
    for key in reversed(place.split(".")):
        value = {key: value}
    return _pasted(value)


def _pasted(values: Mapping[str, Any]) -> str:
    """Returns the JSON of an object without its braces, ready to paste into a config."""
    return json.dumps(values, default=repr)[1:-1]


def _dims_from_sides(size: Mapping[str, Any], *, warn: Warn) -> dict[str, int]:
    given = {key: size[key] for key in SIDES if type(size.get(key)) is int and size[key] > 0}
    if not given:
        return {}
    dims = {"min_dim": min(given.values()), "max_dim": -(-max(given.values()) // SIZE_STEP) * SIZE_STEP}
    names = " and ".join(f"`input_size.{key}`" for key in given)
    warn(f"{names} {'are old keys' if len(given) > 1 else 'is an old key'}: write {_at('input_size', dims)}")
    return dims
