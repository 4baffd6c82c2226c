"""The families of models and the record of each; reads a `model` object by its `family`."""

from collections.abc import Mapping
from typing import Any

from mrcnn.config import errors
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config
from mrcnn.config.model import DEFAULT_FAMILY, ModelConfig

# A new family is a record here and a builder of the same name in `mrcnn.models.build`.
FAMILIES: dict[str, type[ModelConfig]] = {
    DEFAULT_FAMILY: MatterportConfig,
    "torchvision": TorchvisionConfig,
    "torchvision_v2": TorchvisionV2Config,
    "detectron2": Detectron2Config,
}


def record_of(values: Mapping[str, Any]) -> type[ModelConfig]:
    """Finds the record of a `model` object.

    Args:
        values: the object, unchecked; without `family` it is of the default one.

    Raises:
        ValueError: the family is unknown.
    """
    name = values.get("family", DEFAULT_FAMILY)
    if not isinstance(name, str) or name not in FAMILIES:
        raise ValueError(f"`family` must be one of {', '.join(FAMILIES)}, got {errors.shown(name)}")
    return FAMILIES[name]


def check_model(values: Mapping[str, Any], *, path: str = "model") -> ModelConfig:
    """Checks a `model` object and fills the defaults of its family.

    Args:
        values: the object.
        path: prefix of the keys' names in messages.

    Raises:
        ConfigError: the object is invalid; one line names the key, the value and the fix.
    """
    try:
        record = record_of(values)
    except ValueError as error:
        raise errors.ConfigError([f"`{path}.{str(error)[1:]}"]) from error
    return errors.check(record, values, path=path)


def nested_records(values: Mapping[str, Any]) -> dict[str, type[ModelConfig]]:
    """Finds the record of the `model` in a config, for hints in error messages.

    It is the default family's if `model` is malformed.
    """
    model = values.get("model")
    name = model.get("family") if isinstance(model, Mapping) else None
    return {"model": FAMILIES.get(name if isinstance(name, str) else DEFAULT_FAMILY, FAMILIES[DEFAULT_FAMILY])}
