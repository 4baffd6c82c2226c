import pytest

from mrcnn.config import page

TEXT = """# Title

## One

| key | type | default | meaning |
| --- | --- | --- | --- |
| `a` | integer | `1` | **new**: see [there](there.md), `b` too |
| `b.c` | `"x"`, `"y"` | `"x"` | |

### `sub`

| `a` | integer | `2` | another |

## Two

| old | today |
| --- | --- |
| `z` | `a` |
| `b.c` | string | `"x"` | said here |
"""


def test_a_section_ends_at_the_next_heading_as_high():
    assert page.section(TEXT, "### `sub`").strip() == "| `a` | integer | `2` | another |"
    assert "### `sub`" in page.section(TEXT, "## One")
    assert "## Two" not in page.section(TEXT, "## One")
    assert page.section(TEXT, "## Two").endswith("said here |\n\n")


@pytest.mark.parametrize("heading", ["## Three", "## On", "# One"])
def test_a_heading_that_is_not_there_is_named(heading):
    with pytest.raises(ValueError, match=f"the page has no heading '{heading}'"):
        page.section(TEXT, heading)


def test_rows_are_those_with_four_cells():
    assert page.rows(TEXT) == {
        "a": page.Row("integer", "`2`", "another"),
        "b.c": page.Row("string", '`"x"`', "said here"),
    }
    assert page.rows(page.section(TEXT, "## One"))["b.c"] == page.Row('`"x"`, `"y"`', '`"x"`', "")
    assert page.rows("") == {}


def test_meanings_are_plain_and_the_later_one_that_says_something_counts():
    assert page.meanings(TEXT, "### `sub`", "## Two") == {"a": "another", "b.c": "said here"}
    assert page.meanings(TEXT, "## Two", "## One") == {"a": "another", "b.c": "said here"}
    first = page.meanings(TEXT.replace("### `sub`", "## Sub"), "## One")
    assert first == {"a": "new: see there, `b` too"}
