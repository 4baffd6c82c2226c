"""Older configs and models: their keys are checked and turned into what replaces them, their networks are known.

Source: the deprecated Mask R-CNN config page, the v1 inference configs that release 5.16 converted, and the networks
that this release and Matterport's trained.
"""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from mrcnn.config import errors
from mrcnn.events import UserError

Warn = Callable[[str], None]

PLUGIN_MODEL: Mapping[str, Any] = {"compatibility": "supervisely", "backbone": "resnet101"}  # of every plugin folder
FILE_MODEL: Mapping[str, Any] = {"compatibility": "matterport"}  # of a file alone, which itself tells its sizes


def convert_train(values: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    """Returns a user's train config without the keys of older plugins.

    `val_every`, `data_workers` and `validate_with_model_eval` are dropped: validation runs once after every epoch on
    the whole set, and the loader chooses its own parallelism. `input_size.width` and `height` become `min_dim` and
    `max_dim` where the user gave neither of those; the original silently used 256.

    Args:
        values: the user's config before the merge with the defaults.
        warn: called with one line for each such key.

    Raises:
        UserError: the value of a legacy key is of the wrong type.
    """
    kept = dict(values)
    for key, (is_right, expected, reason) in _TRAIN_KEYS.items():
        if key in kept:
            value = kept.pop(key)
            if not is_right(value):
                raise UserError(f"`{key}` must be {expected}, got {errors.shown(value)}; or remove it: {reason}")
            warn(f"`{key}` has no effect: {reason}")
    size = kept.get("input_size")
    if isinstance(size, Mapping) and not {"min_dim", "max_dim"} & set(size):
        kept["input_size"] = _size_from_sides(size, warn=warn)
    return kept


def convert_inference(values: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    """Returns an inference config in today's form, `{"model": ..., "mode": ...}`.

    A config without `model` is of the first form: `mode.source` is the mode's name, `model_classes` stands at top
    level, and so do the model's keys. With `model`, other top-level keys have no effect, as in the original.

    Args:
        values: the user's config before the merge with the defaults.
        warn: called with one line for each key that was read as another or has no effect.

    Raises:
        UserError: `mode` or `gpu_devices` is of the wrong type, or `model` is misspelt.
    """
    mode = values.get("mode", {})
    if not isinstance(mode, Mapping):
        raise UserError(f"`mode` must be an object, got {errors.shown(mode)}")
    others = {key: value for key, value in values.items() if key not in ("model", "mode")}
    if "model" in values:
        for key in others:
            warn(f"`{errors.shown_path([key])}` has no effect beside `model`{errors.nearest(key, ['model', 'mode'])}")
        return {"model": values["model"], "mode": dict(mode)}
    misspelt = next((key for key in others if difflib.get_close_matches(key, ["model", "mode"], cutoff=0.75)), None)
    if misspelt is not None:  # else it would be taken for one of the model's keys
        raise UserError(f"unknown key `{errors.shown_path([misspelt])}`{errors.nearest(misspelt, ['model', 'mode'])}")
    mode = dict(mode)
    if "source" in mode:
        source = mode.pop("source")
        mode.setdefault("name", source)
        warn("`mode.source` is an old key: read as `mode.name`; give that instead")
    if "model_classes" in others:
        classes = others.pop("model_classes")
        mode.setdefault("model_classes", classes)
        warn("`model_classes` at top level is an old key: read as `mode.model_classes`; give that instead")
    return {"model": convert_model(others, warn=warn), "mode": mode}


def folder_model(content: Mapping[str, Any]) -> Any:
    """Gives the `model` of a model folder's config.json, unchecked; the plugin wrote none, it had one network."""
    return content.get("model", PLUGIN_MODEL)


def file_model(weights: Path) -> Mapping[str, Any]:
    """Gives what is known of the network of a weight file without config.json: the plugin's where it lies as there."""
    return PLUGIN_MODEL if is_in_folder(weights) else FILE_MODEL


def is_in_folder(weights: Path) -> bool:
    """Tells whether a weight file lies where a model folder has it."""
    return weights.absolute().parts[-2:] == ("model_weights", "model.h5")


def convert_model(values: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    """Returns an inference `model` object without the keys of older plugins.

    `gpu_devices` becomes `gpu_device`, its first entry; `existing_objects` is dropped: original objects are all kept.

    Raises:
        UserError: `gpu_devices` is no list with an entry, or `existing_objects` no object.
    """
    kept = dict(values)
    if "gpu_devices" in kept:
        devices = kept.pop("gpu_devices")
        if not isinstance(devices, (list, tuple)) or not devices:
            raise UserError(
                f"`gpu_devices` must be a list with a device, got {errors.shown(devices)}; use `gpu_device` 0"
            )
        kept.setdefault("gpu_device", devices[0])
        warn(f"`gpu_devices` is an old key: read as `gpu_device` {errors.shown(kept['gpu_device'])}; give that instead")
    if "existing_objects" in kept:
        existing = kept.pop("existing_objects")
        if not isinstance(existing, Mapping):
            raise UserError(f"`existing_objects` must be an object, got {errors.shown(existing)}; or remove it")
        warn("`existing_objects` has no effect: the original objects are all kept")
    return kept


def _size_from_sides(size: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    width, height = size.get("width"), size.get("height")
    if not (_is_side(width) and _is_side(height)):
        return dict(size)
    low, high = min(width, height), max(width, height)
    warn(
        f"`input_size.width` and `input_size.height` are old keys: read as `min_dim` {low} and `max_dim` {high}; "
        "give those instead"
    )
    return {**size, "min_dim": low, "max_dim": high}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_side(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_TRAIN_KEYS: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "val_every": (
        lambda value: _is_number(value) and value > 0,
        "a number greater than 0",
        "validation runs once after every epoch",
    ),
    "data_workers": (
        lambda value: isinstance(value, Mapping),
        "an object",
        "the data pipeline chooses its own parallelism",
    ),
    "validate_with_model_eval": (
        lambda value: isinstance(value, bool),
        "true or false",
        "validation always runs the whole validation set",
    ),
}
