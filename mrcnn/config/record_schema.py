"""Builds the JSON schema of a settings record: described keys, nested records inlined.

Source: JSON Schema, draft 2020-12, as pydantic writes it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mrcnn.config.base import Settings

Schema = dict[str, Any]

_LINK = re.compile(r"\[([^]]*)]\([^)]*\)")


class _Book(NamedTuple):
    """Lookup tables for writing a record's schema.

    Attributes:
        records: pydantic's schemas of the nested records, by name.
        shared: finished schemas of the recursive records, by name.
    """

    records: Mapping[str, Schema]
    shared: dict[str, Schema]


def record_schema(record: type[Settings]) -> Schema:
    """Builds the schema of a record.

    Returns:
        The schema without titles, and without defaults of whole objects, whose keys have defaults. A key has the
        description of its field, in Markdown; an object without one is described by the first paragraph of its class.
        Only a recursive record is a reference, to `$defs`.
    """
    raw = record.model_json_schema()
    book = _Book(raw.pop("$defs", {}), {})
    schema = _described(raw, book)
    return {**schema, "$defs": book.shared} if book.shared else schema


def without_markdown(schema: Any) -> Any:
    """Copies a schema without Markdown's links and bold in its descriptions."""
    if isinstance(schema, list):
        return [without_markdown(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _plain(item) if key == "description" and isinstance(item, str) else without_markdown(item)
        for key, item in schema.items()
    }


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("**", "")


def _resolved(node: Schema, book: _Book) -> Schema:
    if "$ref" not in node:
        return _described(node, book)
    name = node["$ref"].removeprefix("#/$defs/")
    record = book.records[name]
    if node["$ref"] not in json.dumps(record):
        return _described({**record, **{key: value for key, value in node.items() if key != "$ref"}}, book)
    if name not in book.shared:
        book.shared[name] = {}  # a placeholder ends the recursion of a record inside itself
        book.shared[name] = _described(record, book)
    return {"$ref": node["$ref"]}


def _described(node: Schema, book: _Book) -> Schema:
    about = node.get("description", "").split("\n\n")[0].replace("\n", " ")
    result: Schema = {"description": about} if about else {}
    result |= {key: value for key, value in node.items() if key not in ("title", "description")}
    if "properties" in node:
        result["properties"] = {key: _resolved(item, book) for key, item in node["properties"].items()}
    if "items" in node:
        result["items"] = _resolved(node["items"], book)
    if "anyOf" in node:
        result["anyOf"] = [_resolved(choice, book) for choice in node["anyOf"]]
        for choice in result["anyOf"]:
            choice.pop("description", None)  # it is above
    if "properties" in node or _is_no_default(result):
        result.pop("default", None)
    return result


def _is_no_default(node: Schema) -> bool:
    """Checks whether the default is None although a config may not write null."""
    return node.get("default", 0) is None and {"type": "null"} not in node.get("anyOf", [])
