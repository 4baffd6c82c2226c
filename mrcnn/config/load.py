"""Reads a JSON config, merges it over the defaults and returns checked settings.

The merge rule is the original's: the user's values change the defaults; nested objects are merged key by key, scalars
and LISTS are replaced whole. The merged config is validated, so every key is optional for the user.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrcnn import files
from mrcnn.config import errors, family, given, legacy, presets
from mrcnn.config.base import AUTO
from mrcnn.config.deploy import DEPLOY_SUFFIX, DeployConfig
from mrcnn.config.inference import INFERENCE_SUFFIX, MODES, InferenceConfig, InferenceModelConfig, Mode, SlidingMode
from mrcnn.config.input_size import InputSize
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError

Source = Mapping[str, Any] | str | Path

TRAINING_ALONE = ("lr", "epochs", "dataset_tags", "train_layers", "weights_init_type")  # keys of train configs only
MOST_BYTES = 2**26  # of a config file
DEEPEST = 32  # levels of nesting; the deepest real config has 8


def load_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON object from a file or from a preset.

    Args:
        path: path of the file, or name of a preset; see `presets.find`.

    Raises:
        UserError: the file is missing, unreadable, no UTF-8, no JSON, or holds no object; one line names the file.
    """
    try:
        path = presets.find(path)
        if not os.path.lexists(path):
            close = presets.similar(path)
            hint = f"; did you mean {close}?" if close else ""
            raise UserError(
                f"config file not found: {path}; give the path of a JSON file or the name of a preset{hint}"
            )
        values = json.loads(files.read_bytes(path, what="config file", most=MOST_BYTES).decode("utf-8-sig"))
    except UserError:
        raise
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON: line {error.lineno} column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable JSON text: {error}") from error
    _check_encodable(values, path)
    if not isinstance(values, dict):
        fix = "; save the `config` of one entry as a file" if isinstance(values, list) else ""
        raise UserError(f"{path} must hold a JSON object, got {errors.shown(values)}{fix}")
    return values


def _check_encodable(values: Any, path: str | Path) -> None:
    """Refuses lone surrogates, which cannot be written as UTF-8.

    Without this check a training run would fail only when it writes its config beside the first weights.

    Raises:
        UserError: a text holds a lone surrogate.
    """
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        text = ascii(error.object[max(error.start - 20, 0) : error.end + 20])
        raise UserError(f"{path} holds half of a character (a lone surrogate) in {text}; correct it") from None


def merge(defaults: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merges changes into defaults: objects key by key, everything else replaced whole."""
    merged = dict(defaults)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def load_train_config(source: Source, *, warn: legacy.Warn = lambda line: None) -> TrainConfig:
    """Loads and checks a train config.

    Args:
        source: a path, the name of a preset, or the parsed JSON object; keys that it omits have their defaults.
        warn: called with one line for each warning, e.g. a log's `warning`.

    Raises:
        UserError: the config is invalid; one line names the file or key, the value and the fix.
    """
    content = _read(source)
    _refuse_inference(content, source)
    values = legacy.convert_train(content, warn=warn)
    config = errors.check(TrainConfig, values, records=family.nested_records(values))
    for line in _remarks(config):
        warn(line)
    return config


def load_inference_config(source: Source, *, warn: legacy.Warn = lambda line: None) -> InferenceConfig:
    """Loads and checks an inference config, in today's or the first form.

    Args:
        source: a path, the name of a preset, or the parsed JSON object; keys that it omits have their defaults.
        warn: called with one line for each warning.

    Raises:
        UserError: the config is invalid; one line names the file or key, the value and the fix.
    """
    content = _read(source)
    _refuse_training(content, source)
    values = legacy.convert_inference(content, warn=warn)
    model, mode = errors.gather(
        lambda: errors.check(InferenceModelConfig, values["model"], path="model"),
        lambda: load_mode(values["mode"], default_suffix=INFERENCE_SUFFIX),
    )
    if mode.save_probabilities:
        warn("`mode.save_probabilities` has no effect: this model gives no score per pixel")
    if mode.flip and model.tta and model.tta.flip:
        warn("`mode.flip` mirrors what `model.tta` mirrors already, for twice the time; leave one of them out")
    if "nms_after.confidence_tag_name" in given.dotted_keys(values["mode"]):
        _check_score_tag(mode, model.confidence_tag_name)
    return InferenceConfig(model=model, mode=mode)


def load_mode(values: Mapping[str, Any], *, default_suffix: str = DEPLOY_SUFFIX) -> Mode:
    """Checks the `mode` object of a config or a request and fills its defaults.

    Args:
        values: the user's `mode`; without a name it is `full_image`.
        default_suffix: suffix of class and tag names where the user gives no `add_suffix`. As in the original only
            `full_image` uses it; the other modes' default is empty.

    Raises:
        UserError: the object is invalid; one line names the key, the value and the fix.
    """
    if not isinstance(values, Mapping):
        raise errors.ConfigError([f"`mode` must be an object, got {errors.shown(values)}"])
    _check_plain(values, depth=0)
    name = values.get("name", "full_image")
    if not isinstance(name, str) or name not in MODES:
        raise errors.ConfigError([f"`mode.name` must be one of {', '.join(MODES)}, got {errors.shown(name)}"])
    defaults: dict[str, Any] = {}
    if name == "full_image":
        defaults = {key: {"add_suffix": default_suffix} for key in ("model_classes", "model_tags")}
    return errors.check(MODES[name], merge(defaults, values), path="mode")


def load_deploy_config(source: Source, *, warn: legacy.Warn = lambda line: None) -> DeployConfig:
    """Loads and checks the deploy config of a service.

    The settings are flat; a platform's task config, with the settings in `model_settings` or `model`, is read too.

    Args:
        source: a path, the name of a preset, or the parsed JSON object; keys that it omits have their defaults.
        warn: called with one line for each warning.

    Raises:
        UserError: the config is invalid; one line names the file or key, the value and the fix.
    """
    content = _read(source)
    _refuse_training(content, source)
    values, path = legacy.convert_deploy(content, warn=warn)
    return errors.check(DeployConfig, values, path=path)


def _refuse_training(values: Mapping[str, Any], source: Source) -> None:
    """Refuses a train config where another kind is expected.

    Without this check each of its keys would be reported as unknown.
    """
    found = [key for key in TRAINING_ALONE if key in values]
    if len(found) > 1:
        name = "the config" if isinstance(source, Mapping) else str(source)
        named = ", ".join(f"`{key}`" for key in found)
        raise UserError(f"{name} is a train config ({named}); give another one, or {{}} for the defaults")


def _refuse_inference(values: Mapping[str, Any], source: Source) -> None:
    """Refuses an inference config where a train config is expected.

    Without this check its keys would be reported as misspelt.
    """
    if "mode" in values and not any(key in values for key in TRAINING_ALONE):
        name = "the config" if isinstance(source, Mapping) else str(source)
        raise UserError(f"{name} is an inference config (`mode`); give a train config, see presets/README.md")


def _check_score_tag(mode: Mode, tag: str) -> None:
    """Checks that `nms_after` names the model's own score tag, the only score there is."""
    if isinstance(mode, SlidingMode) and mode.nms_after.enable:
        named = mode.nms_after.confidence_tag_name
        if named != tag:
            raise UserError(
                f"`mode.nms_after.confidence_tag_name` must be {errors.shown(tag)}, the model's "
                f"`confidence_tag_name`, got {errors.shown(named)}; leave it out"
            )


def _remarks(config: TrainConfig) -> list[str]:
    """Returns warnings on settings that are valid but probably a mistake."""
    lines = []
    tag = config.dataset_tags.train
    if tag == config.dataset_tags.val:
        lines.append(f"`dataset_tags` names {errors.shown(tag)} for both sets: validation sees the training images")
    for key in config.input_size.model_extra or {}:
        if key not in ("width", "height"):
            hint = errors.nearest(key, list(InputSize.model_fields))
            lines.append(f"`{errors.shown_path(['input_size', key])}` has no effect{hint}")
    if config.imagenet_weights is not None and config.weights_init_type not in ("imagenet", AUTO):
        lines.append(
            f"`imagenet_weights` has no effect with `weights_init_type` {config.weights_init_type}; use imagenet"
        )
    late = [epoch for epoch in config.lr_schedule.milestones if epoch >= config.epochs]
    if late and config.lr_schedule.name == "step":
        lines.append(f"`lr_schedule.milestones` {late} are not reached in {config.epochs} `epochs`")
    return lines


def _read(source: Source) -> dict[str, Any]:
    """Reads a config and drops `$schema`, a key that only editors use."""
    values = source if isinstance(source, Mapping) else load_json(source)
    _check_plain(values, depth=0)
    return {key: value for key, value in values.items() if key != "$schema"}


def _check_plain(value: Any, *, depth: int) -> None:
    """Checks the nesting and the keys of a parsed config.

    Raises:
        UserError: a value is nested more than `DEEPEST` levels deep, or a key is no string that UTF-8 can encode.
    """
    if depth > DEEPEST:
        raise UserError(f"the config is nested more than {DEEPEST} levels deep; the deepest useful one has 8")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not _is_unicode(key):
                raise UserError(f"config keys must be strings of valid Unicode, got {errors.shown(repr(key))}")
            _check_plain(item, depth=depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_plain(item, depth=depth + 1)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
