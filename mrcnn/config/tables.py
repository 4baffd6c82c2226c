"""Writes the documents' tables of config keys and of the service's options.

They are generated from the settings classes.

    python -m mrcnn schema docs/schemas --page docs/configuration.md docs/serving.md

A table of the page begins with a line such as `<!-- keys: model -->`, which names it; what follows is written anew. The
rows of a table have the order of the record's fields.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mrcnn.config import inference, keys, monitoring
from mrcnn.config.base import LARGEST_INT
from mrcnn.config.deploy import DeployConfig
from mrcnn.config.inference import MODES, InferenceModelConfig
from mrcnn.config.model import DEFAULT_FAMILY
from mrcnn.config.record_schema import Schema, record_schema
from mrcnn.config.serve import ServeConfig

SERVING = "serving.md"
MOST_WORDS = 12  # choices that a row lists; the page lists a longer choice below its table
NO_DEFAULT = "–"
# the top-level keys of a train config that the original had; the others were added
ORIGINAL = (
    "lr", "epochs", "batch_size", "input_size", "gpu_devices", "train_layers", "dataset_tags", "special_classes",
    "weights_init_type",
)  # fmt: skip
PATTERNS = {
    inference.AMOUNT_PATTERN: "amount",
    inference.CUT_PATTERN: "amount, not below 0",
    monitoring.COUNTRY_PATTERN: "three capital letters",
}

_HEAD = ("| key | type | default | meaning |", "| --- | --- | --- | --- |")
_TABLE = re.compile(r"^<!-- keys: (.+) -->\n((?:\|.*\n)*)", re.MULTILINE)


class Row(NamedTuple):
    """The cells of a row in a table of keys, as Markdown text."""

    type: str
    default: str
    meaning: str


Rows = Mapping[str, Row]


def tables_of(page: str) -> dict[str, Rows]:
    """Builds the tables of a page by the names that the page gives them.

    Args:
        page: the file's name: `serving.md`, or any other name for the tables of configuration.md.
    """
    return serving_tables() if page == SERVING else page_tables()


def serving_tables() -> dict[str, Rows]:
    """Builds the table of docs/serving.md: all keys of `ServeConfig` except `model` and `deploy`."""
    rows = rows_of(record_schema(ServeConfig))
    options = _chosen(rows, lambda key: key.split(".")[0] not in ("model", "deploy"))
    return {"service options": {f"--{key.replace('_', '-')}": _without_null(row) for key, row in options.items()}}


def page_tables() -> dict[str, Rows]:
    """Builds the tables of docs/configuration.md by the names that the page gives them.

    The table `model` has the keys of the default family, a table `model <family>` those of each other family.
    """
    train = rows_of(keys.train_keys())
    first, inside = {key: key.split(".")[0] for key in train}, ("model", "augmentation[]")
    families = {name: rows_of(schema, "model") for name, schema in keys.family_keys().items()}
    modes = {name: rows_of(keys.mode_keys(name), "mode") for name in MODES}
    common = {key: row for key, row in modes[keys.DEFAULT_MODE].items() if key != "mode.name"}
    own = {
        name: {key: row for key, row in rows.items() if key not in (*common, "mode.name")}
        for name, rows in modes.items()
        if name != keys.DEFAULT_MODE
    }
    model = rows_of(record_schema(InferenceModelConfig))
    return {
        "training, of the original": _chosen(train, lambda key: first[key] in ORIGINAL),
        "training, added": _chosen(train, lambda key: first[key] not in (*ORIGINAL, *inside)),
        "model": families.pop(DEFAULT_FAMILY),
        **{f"model {name}": rows for name, rows in families.items()},
        "augmentation": _chosen(train, lambda key: first[key] == "augmentation[]"),
        "inference": {
            **{f"model.{key}": row for key, row in model.items()},
            **rows_of({"properties": {"name": keys.mode_name()}}, "mode"),
            **common,
        },
        **{f"mode {name}": rows for name, rows in own.items()},
        "service": _chosen(rows_of(record_schema(DeployConfig)), lambda key: key not in model),
    }


def rows_of(schema: Schema, path: str = "") -> dict[str, Row]:
    """Builds the table rows of all described keys of a record.

    Args:
        schema: the record's schema, as of `record_schema`.
        path: prefix of the keys.

    Returns:
        The rows by the key's dotted path, such as `lr_schedule.gamma` or `augmentation[].name`, in the record's order.
        An object that is always there has no row of its own, only its keys have.
    """
    return dict(_rows(schema, path, schema.get("$defs", {})))


def with_tables(text: str, tables: Mapping[str, Rows]) -> str:
    """Replaces the tables of keys in a page; all else stays unchanged.

    Args:
        text: the page.
        tables: the rows of each table by its name.

    Raises:
        ValueError: the page lacks one of the tables, or has one that is not among them.
    """
    names = [match[1] for match in _TABLE.finditer(text)]
    if sorted(names) != sorted(tables):
        raise ValueError(f"the page must have each of the tables {sorted(tables)} once, has {sorted(names)}")
    return _TABLE.sub(lambda match: f"<!-- keys: {match[1]} -->\n{_table(tables[match[1]])}", text)


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
        "string": _text,
        "integer": _range,
        "number": _range,
        "array": _list,
    }
    return words[node["type"]](node)


def _chosen(rows: Rows, is_in: Callable[[str], bool]) -> Rows:
    return {key: row for key, row in rows.items() if is_in(key)}


def _without_null(row: Row) -> Row:
    """Converts the table row of a config key to that of a command-line option.

    The type has no null, and an empty default is a dash.
    """
    words = row.type.removesuffix(" or null").removesuffix(",")
    return row._replace(type=words, default=NO_DEFAULT if row.default in ("`null`", "`[]`") else row.default)


def _table(rows: Rows) -> str:
    lines = [f"| `{key}` | {row.type} | {row.default} | {row.meaning} |" for key, row in rows.items()]
    return "\n".join((*_HEAD, *lines, ""))


def _rows(node: Schema, path: str, records: Mapping[str, Schema]) -> Iterator[tuple[str, Row]]:
    for key, field in node.get("properties", {}).items():
        way = f"{path}.{key}".lstrip(".")
        if "description" in field and "properties" not in field:
            yield way, _row(field, is_required=key in node.get("required", ()))
        for choice in field.get("anyOf", [field]):
            yield from _rows(choice, way, records)
        items = field.get("items", {})
        if "$ref" in items and not path:  # a recursive record is shown once
            items = records[items["$ref"].removeprefix("#/$defs/")]
        yield from _rows(items, f"{way}[]", records)


def _row(field: Schema, *, is_required: bool) -> Row:
    is_object = any("properties" in choice for choice in field.get("anyOf", ()))
    words = type_words({"anyOf": [{"type": "object"}, {"type": "null"}]} if is_object else field)
    missing = "must be given" if is_required else "`{}`" if field.get("type") == "object" else NO_DEFAULT
    default = f"`{json.dumps(field['default'])}`" if "default" in field else missing
    return Row(words, default, field["description"])


def _text(node: Schema) -> str:
    words = "string, not empty" if node.get("minLength") else "string"
    return PATTERNS.get(node.get("pattern", ""), words)


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
    return re.sub(r"^(\w+?)s?\b", r"\1s", words)
