"""Writes the tables of config keys in docs/configuration.md from the settings classes.

    python -m mrcnn schema docs/schemas --page docs/configuration.md

The page keeps its text, its tables and the order of their rows; only the cells of a row are replaced: type, default and
meaning of its key.
"""

import json
from collections.abc import Iterator, Mapping

from mrcnn.config.base import LARGEST_INT, Settings
from mrcnn.config.page import Row
from mrcnn.config.record_schema import Schema

MOST_WORDS = 12  # choices that a row lists; the page lists a longer choice below its table


def rows_of(record: type[Settings]) -> dict[str, Row]:
    """Builds the table rows of all keys of a record.

    Returns:
        The rows by the key's dotted path from the top, such as `lr_schedule.gamma` or `augmentation[].name`, in the
        record's order. An object has a row of its own only if its field has a description.
    """
    schema = record.model_json_schema()
    return dict(_rows(schema, "", schema.get("$defs", {})))


def with_rows(text: str, rows: Mapping[str, Row]) -> str:
    """Replaces the rows of the given keys in a page's tables; other lines stay unchanged.

    Args:
        text: the page.
        rows: the new rows by key.
    """
    lines = text.split("\n")
    for index, line in enumerate(lines):
        key = line[3:].split("`")[0] if line.startswith("| `") else ""
        if key in rows and line.count(" | ") == len(Row._fields):
            row = rows[key]
            lines[index] = f"| `{key}` | {row.type} | {row.default} | {row.meaning} |"
    return "\n".join(lines)


def type_words(node: Schema) -> str:
    """Describes in words the values a JSON schema allows, such as `integer 1 to 8`."""
    if "anyOf" in node:
        *first, last = [type_words(choice) for choice in node["anyOf"]]
        joint = ", or " if "," in " ".join(first) or " to " in " ".join(first) else " or "
        return f"{', '.join(first)}{joint}{last}"
    if len(node.get("enum", ())) > MOST_WORDS:
        return "string, one of those below"
    if "enum" in node or "const" in node:
        return ", ".join(f"`{json.dumps(value)}`" for value in node.get("enum", [node.get("const")]))
    words = {
        "boolean": lambda node: "true or false",
        "null": lambda node: "null",
        "object": lambda node: "object",
        "string": lambda node: "string, not empty" if node.get("minLength") else "string",
        "integer": _range,
        "number": _range,
        "array": _list,
    }
    return words[node["type"]](node)


def _rows(node: Schema, path: str, records: Mapping[str, Schema]) -> Iterator[tuple[str, Row]]:
    for key, raw in node.get("properties", {}).items():
        way = f"{path}.{key}".lstrip(".")
        field = _resolved(raw, records)
        inner = [choice for choice in field.get("anyOf", [field]) if choice.get("properties")]
        if "description" in raw:
            missing = "must be given" if key in node.get("required", ()) else "`{}`"
            yield way, _row(raw, field, is_object=bool(inner), missing=missing)
        for choice in inner:
            yield from _rows(choice, way, records)
        items = _resolved(field.get("items", {}), records)
        if items.get("properties") and not path:  # a recursive record is shown once
            yield from _rows(items, f"{way}[]", records)


def _row(raw: Schema, field: Schema, *, is_object: bool, missing: str) -> Row:
    words = type_words({"anyOf": [{"type": "object"}, {"type": "null"}]} if is_object else field)
    default = f"`{json.dumps(raw['default'])}`" if "default" in raw else missing
    return Row(words, default, raw["description"])


def _resolved(node: Schema, records: Mapping[str, Schema]) -> Schema:
    if "$ref" in node:
        return records[node["$ref"].removeprefix("#/$defs/")]
    return {**node, **{key: [_resolved(one, records) for one in node[key]] for key in ("anyOf",) if key in node}}


def _range(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    high = None if high == LARGEST_INT else high
    words = node["type"]
    if low is not None and high is not None:
        words += f" {low:g} to {high:g}"
    else:
        limits = [
            f"> {node['exclusiveMinimum']:g}"
            if "exclusiveMinimum" in node
            else f">= {low:g}"
            if low is not None
            else "",
            f"< {node['exclusiveMaximum']:g}"
            if "exclusiveMaximum" in node
            else f"<= {high:g}"
            if high is not None
            else "",
        ]
        words += " " + ", ".join(filter(None, limits)) if any(limits) else ""
    return f"{words}, multiple of {node['multipleOf']:g}" if "multipleOf" in node else words


def _list(node: Schema) -> str:
    least, most = node.get("minItems"), node.get("maxItems")
    if "prefixItems" in node:
        return f"list of {len(node['prefixItems'])} {_plural(type_words(node['prefixItems'][0]))}"
    item = type_words(node["items"]) if "type" in node["items"] else "objects"
    count = f"{least} " if least is not None and least == most else ""
    return f"list of {count}{_plural(item)}" + (", at least one" if least == 1 != most else "")


def _plural(words: str) -> str:
    noun, _, rest = words.partition(" ")
    return f"{noun.removesuffix('s')}s {rest}".strip()
