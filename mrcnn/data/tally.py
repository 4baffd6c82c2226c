"""Counts, by reason, the items that a reader left out or read unusually."""

import reprlib
from collections import Counter
from typing import Any

from mrcnn.errors import LONGEST, counted, one_line

FEW = 3  # names shown for each reason, fewer where they are long
LONGEST_NAME = LONGEST // 2  # characters


class Tally:
    """Counts items by reason and keeps the first few names; `lines` makes the messages."""

    def __init__(self) -> None:
        """Starts without items."""
        self.counts: Counter[str] = Counter()
        self._names: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}

    def add(self, reason: str, name: str, *, number: int = 1) -> None:
        """Counts an item.

        Args:
            reason: text after the count in a message, from a noun in the singular on, for example "object left out,
                category not in the file".
            name: of the item, perhaps with a detail.
            number: to add to the count, for a name that covers several items.
        """
        self.counts[reason] += number
        self._names[reason] += 1
        named = self._named.setdefault(reason, [])
        if len(named) < FEW:
            named.append(one_line(name, most=LONGEST_NAME))

    def lines(self) -> list[str]:
        """Writes a line "<count> <reason>: <the first few names>" for each reason.

        Returns:
            Lines in the order in which the reasons first occurred; empty when nothing was added.
        """
        return [self._line(reason, count) for reason, count in self.counts.items()]

    def _line(self, reason: str, count: int) -> str:
        noun, rest = reason.split(" ", 1)
        line, shown = f"{counted(count, noun)} {rest}", 0
        for name in self._named[reason]:
            if shown and len(line) + len(name) > LONGEST - len("; ; …"):
                break
            line += f"{'; ' if shown else ': '}{name}"
            shown += 1
        return f"{line}; …" if shown < self._names[reason] else line


def short(value: Any) -> str:
    """Formats a value for a message, shortened where it is long or deep."""
    return reprlib.repr(value)
