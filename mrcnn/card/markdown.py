"""Builds Markdown from texts that may hold any character."""

import re
from collections.abc import Iterable, Sequence

from mrcnn.errors import one_line

UNKNOWN = "*not known*"
UNSTATED = "*not stated*"

_SPECIAL = re.compile(r"([\\`*\[\]<>|#~$]|(?<!\w)_|_(?!\w))")  # "_" inside a word means nothing


def escaped(text: object) -> str:
    """Escapes what Markdown would interpret, and joins lines: class titles and file names are not trusted."""
    return _SPECIAL.sub(r"\\\1", one_line(str(text)))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: bool = True) -> str:
    """Builds a table.

    Args:
        head: one text per column.
        rows: cells, already Markdown.
        numbers: whether all columns but the first hold numbers, which are aligned to the right.
    """
    lines = [head, ["---", *["---:" if numbers else "---"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def items(pairs: Iterable[tuple[str, object]]) -> str:
    """Builds a list of names and values, already Markdown."""
    return "\n".join(f"- **{name}:** {value}" for name, value in pairs)


def number(value: float | None) -> str:
    """Formats a measure with three decimals; a dash for None."""
    return "–" if value is None else f"{value:.3f}"


def size(size_hw: tuple[int, int]) -> str:
    """Formats height and width as width x height, in pixels."""
    return f"{size_hw[1]} x {size_hw[0]}"
