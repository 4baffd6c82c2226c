"""Adapts the extra fields of an exported file's detections to the settings in its metadata.

This module imports pydantic, which finding objects does not need, so it is imported when the fields are used.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from mrcnn.config.model import ModelConfig
from mrcnn.fields.table import Fields, named


def fields_of(names: Iterable[str], settings: Mapping[str, Any]) -> Fields:
    """Adapts fields to the settings of a model.

    Args:
        names: of the fields.
        settings: JSON values by the name of the field, in the form of `ModelConfig`; a field that is not in it stays
            without settings.

    Raises:
        ValueError: no field of a name is there, or its settings are malformed.
    """
    return {name: named(name).of_model(_record(name, settings.get(name))) for name in names}


def _record(name: str, value: Any) -> Any:
    if value is None or name not in ModelConfig.model_fields:
        return value
    record: Any = ModelConfig.model_fields[name].annotation
    return TypeAdapter(record).validate_python(value)
