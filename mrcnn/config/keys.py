"""Builds the JSON schemas of the current keys of each config.

The descriptions are Markdown.

`config.schema` adds older forms to them for editors; `config.tables` writes them as tables of docs/configuration.md.
"""

from mrcnn.config.family import FAMILIES
from mrcnn.config.inference import INFERENCE_SUFFIX, MODE_NAME, MODES
from mrcnn.config.model import DEFAULT_FAMILY, FAMILY, ModelConfig
from mrcnn.config.record_schema import Schema, record_schema
from mrcnn.config.train import TrainConfig

DEFAULT_MODE = "full_image"


def train_keys() -> Schema:
    """Builds the schema of a train config."""
    schema = record_schema(TrainConfig)
    schema["properties"]["model"] = model_keys()
    return schema


def model_keys() -> Schema:
    """Builds the schema of `model`, whose keys depend on its family."""
    families = family_keys()
    if len(families) == 1:
        return families[DEFAULT_FAMILY]
    return {
        "description": record_schema(ModelConfig)["description"],
        "type": "object",
        "properties": {"family": {"description": FAMILY, "enum": list(families), "default": DEFAULT_FAMILY}},
        "allOf": [{"if": _is_family(name), "then": schema} for name, schema in families.items()],
    }


def family_keys() -> dict[str, Schema]:
    """Builds the schema of `model` for each family, by the family's name."""
    return {name: record_schema(record) for name, record in FAMILIES.items()}


def mode_name() -> Schema:
    """Builds the schema of the key that selects the mode."""
    return {"description": MODE_NAME, "enum": list(MODES), "default": DEFAULT_MODE}


def mode_keys(name: str) -> Schema:
    """Builds the schema of an inference run's `mode` object.

    Args:
        name: a key of `MODES`. The default of `full_image`'s suffixes is that of an inference run.
    """
    schema = record_schema(MODES[name])
    if name == DEFAULT_MODE:
        for key in ("model_classes", "model_tags"):
            schema["properties"][key]["properties"]["add_suffix"]["default"] = INFERENCE_SUFFIX
    return schema


def _is_family(name: str) -> Schema:
    required = [] if name == DEFAULT_FAMILY else ["family"]
    return {"properties": {"family": {"const": name}}, "required": required}
