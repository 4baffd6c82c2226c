"""What docs/configuration.md says of each key: the one place where the meaning of a key is written."""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
_LINK = re.compile(r"\[([^]]*)]\([^)]*\)")


class Row(NamedTuple):
    """A row of a table of keys, as it stands there."""

    type: str
    default: str
    meaning: str


def section(text: str, heading: str) -> str:
    """Gives the part of the page below a heading, up to the next heading as high.

    Args:
        text: the page.
        heading: the whole line, e.g. `## Training`.

    Raises:
        ValueError: there is no such line.
    """
    level = heading.index(" ")
    below = f"{text}\n".split(f"\n{heading}\n", 1)
    if len(below) == 1:
        raise ValueError(f"the page has no heading {heading!r}")
    return re.split(rf"\n#{{1,{level}}} ", below[1], maxsplit=1)[0]


def rows(text: str) -> dict[str, Row]:
    """Gives the rows of the tables of keys, those with four columns, by key; of two rows of a key the later."""
    found = {}
    for line in text.splitlines():
        key, *cells = [cell.strip() for cell in line.rstrip()[1:-1].split(" | ")]
        if line.startswith("| `") and len(cells) == len(Row._fields):
            found[key.strip("`")] = Row(*cells)
    return found


def meanings(text: str, *headings: str) -> dict[str, str]:
    """Gives what each key means, as plain text.

    Args:
        text: the page.
        headings: whose tables count; of two rows of a key the later one that says something.
    """
    tables = [rows(section(text, heading)) for heading in headings]
    found = {key: row.meaning for table in tables for key, row in table.items() if row.meaning}
    return {key: _LINK.sub(r"\1", meaning).replace("**", "") for key, meaning in found.items()}
