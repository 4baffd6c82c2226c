"""Reads the meaning of each config key from the tables in docs/configuration.md."""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
_LINK = re.compile(r"\[([^]]*)]\([^)]*\)")


class Row(NamedTuple):
    """The cells of a row in a table of keys, as Markdown text."""

    type: str
    default: str
    meaning: str


def section(text: str, heading: str) -> str:
    """Returns the text below a heading, up to the next heading of its level or above.

    Args:
        text: the page.
        heading: the heading's whole line, e.g. `## Training`; it is not part of the result.

    Raises:
        ValueError: the page has no such line.
    """
    level = heading.index(" ")
    below = f"{text}\n".split(f"\n{heading}\n", 1)
    if len(below) == 1:
        raise ValueError(f"the page has no heading {heading!r}")
    return re.split(rf"\n#{{1,{level}}} ", below[1], maxsplit=1)[0]


def rows(text: str) -> dict[str, Row]:
    """Reads the rows of all tables of keys, which are those with four columns.

    Returns:
        The rows by key; the later of two rows with the same key.
    """
    found = {}
    for line in text.splitlines():
        key, *cells = [cell.strip() for cell in line.rstrip()[1:-1].split(" | ")]
        if line.startswith("| `") and len(cells) == len(Row._fields):
            found[key.strip("`")] = Row(*cells)
    return found


def meanings(text: str, *headings: str) -> dict[str, str]:
    """Reads the meaning of each key, as text without Markdown's links and bold.

    Args:
        text: the page.
        headings: headings of the sections whose tables are read.

    Returns:
        The meanings by key; of several rows with the same key the last one that is not empty.
    """
    tables = [rows(section(text, heading)) for heading in headings]
    found = {key: row.meaning for table in tables for key, row in table.items() if row.meaning}
    return {key: _LINK.sub(r"\1", meaning).replace("**", "") for key, meaning in found.items()}
