"""Writes the JSON schemas of the configs, which editors use to complete and check them.

    python -m mrcnn schema docs/schemas --page docs/configuration.md docs/serving.md

Types, ranges, defaults and meanings come from the settings classes. Older forms that the loader still reads are marked
`deprecated`. The loader refuses all that a schema refuses, and more: it checks rules between keys, and to it 1.0 is no
integer.
Source: JSON Schema, draft 2020-12.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.config import keys, legacy, tables
from mrcnn.config.deploy import DeployConfig
from mrcnn.config.inference import MODES, InferenceModelConfig
from mrcnn.config.record_schema import Schema, record_schema, without_markdown

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_EDITORS: Schema = {"$schema": {"description": "Where an editor finds this schema; without effect."}}


def all_schemas() -> dict[str, Schema]:
    """Builds all schemas, by the name of their file."""
    train = _train()
    bodies = {
        "train.json": train,
        "inference.json": _inference(),
        "deploy.json": _deploy(),
        "predefined_run_configs.json": _presets(),
        "model_folder.json": _model_folder(train["properties"]),
    }
    return {name: {"$schema": DIALECT, **without_markdown(body)} for name, body in bodies.items()}


def as_text(schema: Schema) -> str:
    """Formats a schema as the text of its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description="Write the JSON schemas of the configs.")
    parser.add_argument("folder", type=Path, help="where the files go, docs/schemas")
    parser.add_argument(
        "--page",
        type=Path,
        nargs="+",
        default=(),
        help="docs/configuration.md or docs/serving.md, whose tables are written anew too",
    )
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> None:
    """Writes the schema files and, with `--page`, the tables in those pages."""
    options = make_parser(prog).parse_args(arguments)
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in all_schemas().items():
        (folder / name).write_text(as_text(schema), encoding="utf-8")
    for page in options.page:
        text = tables.with_tables(page.read_text(encoding="utf-8"), tables.tables_of(page.name))
        page.write_text(text, encoding="utf-8")


def _old(what: str, **schema: Any) -> Schema:
    return {**schema, "description": what, "deprecated": True}


def _train() -> Schema:
    schema = keys.train_keys()
    old = record_schema(legacy.OldTrainKeys)
    for item in old["properties"].values():
        item.pop("default")
        item["deprecated"] = True
    sides = _old("Old key: write `min_dim` and `max_dim`.")
    schema["properties"]["input_size"]["properties"] |= dict.fromkeys(legacy.SIDES, sides)
    schema["properties"] |= {**old["properties"], **_EDITORS}
    return schema


def _inference() -> Schema:
    model = record_schema(InferenceModelConfig)
    types = {**model["properties"], "gpu_devices": {"type": "array", "minItems": 1}}
    places = legacy.PLACES.items()
    first_form = {key: _old(f"Old place: write `{place}`.", **types.get(key, {})) for key, place in places}
    today = {**_EDITORS, "model": model, "mode": _mode()}
    return {
        "description": "All settings of an inference run.",
        "type": "object",
        "properties": today,
        "if": {"required": ["model"]},  # other keys have no effect then
        "else": {"properties": {**dict.fromkeys(today, True), **first_form}, "additionalProperties": False},
    }


def _mode() -> Schema:
    """Builds the schema of `mode`, whose keys depend on its name."""
    choices = []
    for name in MODES:
        schema = keys.mode_keys(name)
        schema["properties"]["source"] = True
        choices.append({"if": {"anyOf": _chosen(name)}, "then": schema})
    return {
        "description": "The inference mode: which regions of an image the model is applied to, and what is written.",
        "type": "object",
        "properties": {"name": keys.mode_name(), "source": _old("Old key: write `name`.")},
        "allOf": choices,
    }


def _chosen(name: str) -> list[Schema]:
    """Builds the conditions that select a mode.

    A mode is selected by `name`; without it by the old key `source`; without both it is `full_image`.
    """
    by_name = {"properties": {"name": {"const": name}}, "required": ["name"]}
    by_source = {"properties": {"name": False, "source": {"const": name}}, "required": ["source"]}
    by_default = {"properties": {"name": False, "source": False}}
    return [by_name, by_source, by_default] if name == keys.DEFAULT_MODE else [by_name, by_source]


def _deploy() -> Schema:
    flat = record_schema(DeployConfig)
    today = flat["properties"]
    settings = {
        **today,
        "cache_limit": True,  # read and described at top level
        "gpu_devices": _old("Old key: write `gpu_device`.", type="array", minItems=1),
        "existing_objects": _old("No effect here: write it in the `mode` of a request."),
        **dict.fromkeys(legacy.OF_REQUESTS, _old("No effect here: it belongs to a request.")),
    }
    beside = {
        **_EDITORS,
        "cache_limit": today["cache_limit"],
        "connection": _old("No effect: the service is not connected to a platform."),
    }
    shape = {"type": "object", "properties": settings, "additionalProperties": False}
    schema: Schema = {"properties": {**settings, **dict.fromkeys(beside, True)}, "additionalProperties": False}
    for form in reversed(legacy.TASK_FORMS):  # other keys have no effect beside one of these
        inside = {"properties": {form: _old("Old form: write its keys at top level.", **shape)}}
        schema = {"if": {"required": [form]}, "then": inside, "else": schema}
    return {"description": flat["description"], "type": "object", "properties": beside, **schema}


def _presets() -> Schema:
    kinds = ("train", "inference")
    return {
        "description": "Presets as platforms read them.",
        "type": "array",
        "items": {
            "type": "object",
            "required": ["title", "type", "config"],
            "properties": {
                "title": {"description": "What a user sees.", "type": "string"},
                "type": {"description": "What the config is for.", "enum": list(kinds)},
                "config": {"description": "The config itself."},
            },
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": kind}}, "required": ["type"]},
                    "then": {"properties": {"config": {"$ref": f"{kind}.json"}}},
                }
                for kind in kinds
            ],
        },
    }


def _model_folder(training: Schema) -> Schema:
    text = {"type": "string", "minLength": 1}
    class_meta = {"type": "object", "required": ["title", "shape"], "properties": {"title": text, "shape": text}}
    return {
        "description": "The config.json of a model folder.",
        "type": "object",
        "required": ["settings", "classes", "class_title_to_idx"],
        "properties": {
            **_EDITORS,
            "settings": {
                "description": "The train config, of which only the size of the input is needed.",
                "type": "object",
                "required": ["input_size"],
                "properties": {"input_size": training["input_size"]},
            },
            "classes": {
                "description": "The classes with the colours of what is found.",
                "type": "array",
                "items": class_meta,
            },
            "class_title_to_idx": {
                "description": "The number of each class: 0 is the background, the others follow without a gap.",
                "type": "object",
                "minProperties": 2,
                "additionalProperties": {"type": "integer", "minimum": 0},
            },
            "model": training["model"],
        },
    }
