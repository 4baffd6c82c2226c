from typing import Annotated, Literal

import pytest
from pydantic import Field

from mrcnn.config import page, tables
from mrcnn.config.base import Flag, Fraction, Name, PositiveInt, Settings
from mrcnn.config.page import Row
from mrcnn.config.train import TrainConfig


class Inner(Settings):
    share: Fraction = Field(0.5, description="a share")


class Outer(Settings):
    count: PositiveInt = Field(3, description="a count; see [there](there.md)")
    inner: Inner = Inner()
    maybe: Inner | None = Field(None, description="an object that may be missing")
    listed: tuple[Inner, ...] = Field((), description="several")
    name: Name = Field(description="must be there")
    plain: Flag = False


def test_rows_of_follows_the_records_inside():
    rows = tables.rows_of(Outer)
    assert rows == {
        "count": Row("integer >= 1", "`3`", "a count; see [there](there.md)"),
        "inner.share": Row("number 0 to 1", "`0.5`", "a share"),
        "maybe": Row("object or null", "`null`", "an object that may be missing"),
        "maybe.share": Row("number 0 to 1", "`0.5`", "a share"),
        "listed": Row("list of objects", "`[]`", "several"),
        "listed[].share": Row("number 0 to 1", "`0.5`", "a share"),
        "name": Row("string, not empty", "must be given", "must be there"),
    }
    assert list(rows)[:3] == ["count", "inner.share", "maybe"]


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
        (tuple[Fraction, Fraction], "list of 2 numbers 0 to 1"),
    ],
)
def test_type_words(kind, words):
    record = type("One", (Settings,), {"__annotations__": {"key": kind}, "key": Field(None, description="it")})
    assert tables.rows_of(record)["key"].type == words


def test_with_rows_changes_the_rows_of_known_keys_alone():
    text = "text | a |\n| `count` | old | `1` | old |\n| `other` | x | y | z |\n| `count` | three | cells |\n"
    changed = tables.with_rows(text, {"count": Row("integer", "`3`", "new")})
    assert changed == text.replace("| `count` | old | `1` | old |", "| `count` | integer | `3` | new |")
    assert tables.with_rows(text, {}) == text


def test_the_page_is_as_the_records_write_it():
    text = page.PAGE.read_text(encoding="utf-8")
    rows = tables.rows_of(TrainConfig)
    assert tables.with_rows(text, rows) == text, "run `make schemas`"
    assert set(page.rows(page.section(text, "## Training"))) == set(rows)
