"""Builds the JSON schema of a settings record for editors: described keys, nested records inlined.

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
        meanings: the meaning of each key, by its dotted path.
        records: pydantic's schemas of the nested records, by name.
        shared: finished schemas of the recursive records, by name.
    """

    meanings: Mapping[str, str]
    records: Mapping[str, Schema]
    shared: dict[str, Schema]


def record_schema(record: type[Settings], meanings: Mapping[str, str] | None = None, path: str = "") -> Schema:
    """Builds the schema of a record.

    Args:
        record: the settings class.
        meanings: the meaning of a key by its dotted path from the top, such as `mode.bounds.left`; it replaces the
            description of the key's field. An object without either is described by the first paragraph of its class.
        path: prefix of all paths.

    Returns:
        The schema without titles, and without defaults of whole objects, whose keys have defaults. Only a recursive
        record is a reference, to `$defs`.
    """
    raw = record.model_json_schema()
    book = _Book(meanings or {}, raw.pop("$defs", {}), {})
    schema = _described(raw, path, book)
    return {**schema, "$defs": book.shared} if book.shared else schema


def plain(text: str) -> str:
    """Returns the first paragraph of a description without Markdown's links and bold."""
    return _LINK.sub(r"\1", text.split("\n\n")[0].replace("\n", " ")).replace("**", "")


def _resolved(node: Schema, path: str, book: _Book) -> Schema:
    if "$ref" not in node:
        return _described(node, path, book)
    name = node["$ref"].removeprefix("#/$defs/")
    record = book.records[name]
    if node["$ref"] not in json.dumps(record):
        return _described({**record, **{key: value for key, value in node.items() if key != "$ref"}}, path, book)
    if name not in book.shared:
        book.shared[name] = {}  # a placeholder ends the recursion of a record inside itself
        book.shared[name] = _described(record, path, book)
    return {"$ref": node["$ref"]}


def _described(node: Schema, path: str, book: _Book) -> Schema:
    about = book.meanings.get(path) or plain(node.get("description", ""))
    result: Schema = {"description": about} if about else {}
    result |= {key: value for key, value in node.items() if key not in ("title", "description")}
    if "properties" in node:
        below = {key: f"{path}.{key}".lstrip(".") for key in node["properties"]}
        result["properties"] = {key: _resolved(node["properties"][key], way, book) for key, way in below.items()}
    if "items" in node:
        result["items"] = _resolved(node["items"], f"{path}[]", book)
    if "anyOf" in node:
        result["anyOf"] = [_resolved(choice, path, book) for choice in node["anyOf"]]
        for choice in result["anyOf"]:
            choice.pop("description", None)  # it is above
    if "properties" in node or _is_no_default(result):
        result.pop("default", None)
    return result


def _is_no_default(node: Schema) -> bool:
    """Checks whether the default is None although a config may not write null."""
    return node.get("default", 0) is None and {"type": "null"} not in node.get("anyOf", [])
