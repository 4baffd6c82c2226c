"""Counts what a reader left out or understood in an unusual way, by reason, and names the first few."""

import reprlib
from collections import Counter
from typing import Any

from mrcnn.errors import LONGEST, one_line

FEW = 3  # named of each reason, fewer where their names are long
LONGEST_NAME = LONGEST // 2  # characters


class Tally:
    """Collects (reason, name) pairs; `lines` has one line a reason."""

    def __init__(self) -> None:
        """Starts empty."""
        self.counts: Counter[str] = Counter()
        self._names: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}

    def add(self, reason: str, name: str, *, number: int = 1) -> None:
        """Counts what one name stands for.

        Args:
            reason: continues a line after a number, for example "objects left out, of no category of the file".
            name: which one, perhaps with its own detail.
            number: how many the name stands for.
        """
        self.counts[reason] += number
        self._names[reason] += 1
        named = self._named.setdefault(reason, [])
        if len(named) < FEW:
            named.append(one_line(name, most=LONGEST_NAME))

    def lines(self) -> list[str]:
        """Writes "<count> <reason>: <the first few>", in order of appearance; empty when nothing was added."""
        return [self._line(reason, count) for reason, count in self.counts.items()]

    def _line(self, reason: str, count: int) -> str:
        line, shown = f"{count} {reason}", 0
        for name in self._named[reason]:
            if shown and len(line) + len(name) > LONGEST - len("; ; …"):
                break
            line += f"{'; ' if shown else ': '}{name}"
            shown += 1
        return f"{line}; …" if shown < self._names[reason] else line


def short(value: Any) -> str:
    """Writes a value of a file for a message; of a long or deep one, its beginning."""
    return reprlib.repr(value)
