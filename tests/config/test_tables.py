import argparse
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from mrcnn.commands import serve
from mrcnn.config import inference, keys, tables
from mrcnn.config.base import Flag, Fraction, Name, PositiveInt, Settings
from mrcnn.config.record_schema import record_schema
from mrcnn.config.tables import Row

DOCS = Path(__file__).parents[2] / "docs"


class Inner(Settings):
    share: Fraction = Field(0.5, description="a share")


class Outer(Settings):
    count: PositiveInt = Field(3, description="a count; see [there](there.md)")
    inner: Inner = Inner()
    maybe: Inner | None = Field(None, description="an object that may be missing")
    listed: tuple[Inner, ...] = Field((), description="several")
    name: Name = Field(description="must be there")
    unset: inference.Names = Field(None, description="may be left out")
    plain: Flag = False


def test_rows_of_follows_the_records_inside():
    rows = tables.rows_of(record_schema(Outer))
    assert rows == {
        "count": Row("integer >= 1", "`3`", "a count; see [there](there.md)"),
        "inner.share": Row("number 0 to 1", "`0.5`", "a share"),
        "maybe": Row("object or null", "`null`", "an object that may be missing"),
        "maybe.share": Row("number 0 to 1", "`0.5`", "a share"),
        "listed": Row("list of objects", "`[]`", "several"),
        "listed[].share": Row("number 0 to 1", "`0.5`", "a share"),
        "name": Row("string, not empty", "must be given", "must be there"),
        "unset": Row('`"__all__"` or list of strings, not empty', "–", "may be left out"),
    }
    assert list(rows)[:3] == ["count", "inner.share", "maybe"]
    assert list(tables.rows_of(record_schema(Inner), "mode.at")) == ["mode.at.share"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Annotated[int, Field(ge=1, le=65535)], "integer 1 to 65535"),
        (Annotated[int, Field(ge=64, multiple_of=64)], "integer >= 64, multiple of 64"),
        (Annotated[float, Field(gt=0, lt=1)], "number > 0, < 1"),
        (Annotated[float, Field(gt=0, le=1)], "number > 0, <= 1"),
        (float, "number"),
        (Flag, "true or false"),
        (str, "string"),
        (Literal["a", "b"], '`"a"`, `"b"`'),
        (Literal["a", "b"] | None, '`"a"`, `"b"`, or null'),
        (PositiveInt | None, "integer >= 1 or null"),
        (Annotated[int, Field(ge=1, le=9)] | None, "integer 1 to 9, or null"),
        (Annotated[tuple[PositiveInt, ...], Field(min_length=1)], "list of integers >= 1, at least one"),
        (tuple[Name, ...], "list of strings, not empty"),
        (tuple[Fraction, Fraction], "list of 2 numbers 0 to 1"),
        (inference.Amount, "amount"),
        (inference.Cut, "amount, not below 0"),
    ],
)
def test_type_words(kind, words):
    record = type("One", (Settings,), {"__annotations__": {"key": kind}, "key": Field(None, description="it")})
    assert tables.rows_of(record_schema(record))["key"].type == words


TEXT = "text\n<!-- keys: a b -->\n| old |\n| --- |\n\nmore\n<!-- keys: c -->\nend\n| another | table |\n"
HEAD = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"


def test_with_tables_writes_the_named_tables_alone():
    written = tables.with_tables(TEXT, {"a b": {"count": Row("integer", "`3`", "new")}, "c": {}})
    assert written == (
        f"text\n<!-- keys: a b -->\n{HEAD}| `count` | integer | `3` | new |\n\nmore\n<!-- keys: c -->\n{HEAD}end\n"
        "| another | table |\n"
    )
    assert tables.with_tables("no table\n", {}) == "no table\n"


@pytest.mark.parametrize("names", [[], ["a b"], ["a b", "c", "d"]])
def test_with_tables_refuses_a_page_with_other_tables(names):
    with pytest.raises(ValueError, match=r"must have each of the tables .* has \['a b', 'c'\]"):
        tables.with_tables(TEXT, {name: {} for name in names})


@pytest.mark.parametrize("page", ["configuration.md", "serving.md"])
def test_tables_of_a_page_are_those_in_it(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    assert tables.with_tables(text, tables.tables_of(page)) == text, "run `make schemas`"


def test_serving_tables_have_the_options_of_the_service():
    rows = tables.serving_tables()["service options"]
    assert rows["--batch-size"][:2] == ("integer >= 1", "`4`")
    assert rows["--score-threshold"][:2] == ("number 0 to 1", "–")
    assert rows["--allow-host"][:2] == ("list of strings, not empty", "–")
    parser = argparse.ArgumentParser()
    serve.add_options(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    assert options - {"--no-tf32", "--model", "--config", "--task-dir", "--debug", "-h", "--help"} == set(rows)


def test_page_tables_have_every_training_key_once():
    found = tables.page_tables()
    assert "lr" in found["training, of the original"]
    assert "precision" in found["training, added"]
    assert all(key.startswith("model.") for key in found["model"])
    names = ("training, of the original", "training, added", "model", "augmentation")
    every = [key for name in names for key in found[name]]
    of_families = {f"model.{key}" for schema in keys.family_keys().values() for key in schema["properties"]}
    assert set(tables.rows_of(keys.train_keys())) - of_families <= set(every)
    assert len(every) == len(set(every))
    assert list(found["service"]) == ["cache_limit"]
