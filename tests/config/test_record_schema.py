from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from mrcnn.config.base import PositiveInt, Settings
from mrcnn.config.record_schema import record_schema, without_markdown


class Inner(Settings):
    """What is inside,
    in two lines.

    Not this.
    """

    depth: PositiveInt = Field(3, description="how **deep**")
    choice: Annotated[Any, WithJsonSchema({"const": "a"})] = None


class Node(Settings):
    """A node."""

    children: tuple["Node", ...] = ()


class Outer(Settings):
    inner: Inner = Inner()
    maybe: Inner | None = Field(None, description="none or one")
    many: tuple[Inner, ...] = ()
    root: Node = Node()
    title: Literal["x", "y"] = Field("x", description="its title")
    part: Annotated[float, Field(gt=0, le=1)] = 0.5


SCHEMA = record_schema(Outer)
COUNT = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1, "default": 3, "description": "how **deep**"}
INNER = {"type": "object", "additionalProperties": False}


def test_records_stand_inside_one_another_with_their_keys_meanings():
    assert SCHEMA["properties"]["inner"] == {
        **INNER,
        "description": "What is inside, in two lines.",
        "properties": {"depth": COUNT, "choice": {"const": "a"}},
    }


def test_a_record_or_null_is_described_once():
    assert SCHEMA["properties"]["maybe"] == {
        "description": "none or one",
        "default": None,
        "anyOf": [{**INNER, "properties": {"depth": COUNT, "choice": {"const": "a"}}}, {"type": "null"}],
    }


def test_items_are_described_too():
    items = SCHEMA["properties"]["many"]["items"]
    assert (items["description"], items["properties"]["depth"]["description"]) == (
        "What is inside, in two lines.",
        "how **deep**",
    )
    assert SCHEMA["properties"]["many"]["default"] == []


def test_record_schema_record_that_holds_itself_stays_a_reference():
    assert SCHEMA["properties"]["root"] == {"$ref": "#/$defs/Node"}
    assert SCHEMA["$defs"] == {
        "Node": {
            **INNER,
            "description": "A node.",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "default": []}},
        }
    }
    assert "$defs" not in record_schema(Inner)


def test_a_key_called_title_is_no_title():
    assert SCHEMA["properties"]["title"] == {
        "description": "its title",
        "enum": ["x", "y"],
        "type": "string",
        "default": "x",
    }
    assert "title" not in SCHEMA


def test_ranges_are_kept():
    assert SCHEMA["properties"]["part"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.5}


def test_without_markdown_leaves_links_and_bold_out_of_descriptions():
    schema = {
        "description": "**new**: see [there](there.md), `b` too",
        "properties": {
            "description": {"description": "a [key](x.md)"},
            "other": {"enum": ["**", 1], "default": "[a](b)"},
        },
    }
    assert without_markdown(schema) == {
        "description": "new: see there, `b` too",
        "properties": {"description": {"description": "a key"}, "other": {"enum": ["**", 1], "default": "[a](b)"}},
    }
    assert without_markdown({}) == {}
