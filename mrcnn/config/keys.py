"""Builds the JSON schemas of today's keys of each kind of config, described in Markdown.

`config.schema` adds older forms to them for editors; `config.tables` writes them as tables of docs/configuration.md.
"""

from mrcnn.config.inference import INFERENCE_SUFFIX, MODE_NAME, MODES
from mrcnn.config.record_schema import Schema, record_schema

DEFAULT_MODE = "full_image"


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
