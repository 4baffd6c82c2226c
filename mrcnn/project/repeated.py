"""Groups messages that differ in file names and numbers only, so that one mistake in every file is one line."""

import re
import threading
from collections import Counter
from collections.abc import Iterable

from mrcnn.errors import LONGEST
from mrcnn.events import EventLog

FEW = 3  # messages of a kind that are shown in full
FILE = r"[\w.]*\.(?:json|jpe?g|jfif|mpo|bmp|png|webp|tiff?)\b"
VARIES = re.compile(
    rf"(?P<keep>(?<!\w)'[^']*'(?!\w))|data set \S+|\S*/[^\s:]*|(?i:{FILE})|\d+(?:\.\d+)?"  # a title in quotes is kept
)


def kind_of(message: str, *names: str) -> str:
    """Returns the message without names of files, numbers and the value that was found, which follows "got".

    Args:
        message: any.
        names: what else to take out, for example the image's name with its data set, and alone.
    """
    text = message[:LONGEST].partition(" got ")[0]
    for name in (*names, *(name.rpartition("/")[2] for name in names)):
        text = text.replace(name, "…") if name else text
    return VARIES.sub(lambda match: match["keep"] or "…", text)


def grouped(messages: Iterable[str]) -> list[str]:
    """Returns up to `FEW` messages of a kind as they are, more of them as "<count> times, e.g. <the first>"."""
    kinds: dict[str, list[str]] = {}
    for message in messages:
        kinds.setdefault(kind_of(message), []).append(message)
    return [line for alike in kinds.values() for line in counted(alike)]


def counted(alike: list[str], *, files: int = 0) -> list[str]:
    """Returns the lines of messages of one kind; `files` is in how many files they occur, 0 for unknown."""
    if len(alike) <= FEW:
        return alike
    where = f" in {files} files" if files else ""
    return [f"{len(alike)} times{where}, e.g. {alike[0]}"]


class Repeats:
    """Logs the first messages of each kind, then counts them; threads may share it."""

    def __init__(self, log: EventLog | None, *, level: str = "warn"):
        """Starts with none; `log` None is for nowhere, `level` is one of `events.LEVELS`."""
        self._log, self._level = log, level
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, message: str, *names: str) -> None:
        """Logs a message unless `FEW` of its kind were logged; `names` are as for `kind_of`."""
        kind = kind_of(message, *names)
        with self._lock:
            self._counts[kind] += 1
            count = self._counts[kind]
            self._first.setdefault(kind, message)
        if self._log is not None and count <= FEW:
            more = " (more messages like this are counted, not shown)" if count == FEW else ""
            self._log.emit(f"{message}{more}", level=self._level)

    def close(self) -> None:
        """Logs a line for each kind of which not all messages were logged."""
        with self._lock:
            lines = [f"{count} times, e.g. {self._first[kind]}" for kind, count in self._counts.items() if count > FEW]
            self._counts.clear()
            self._first.clear()
        if self._log is not None:
            for line in lines:
                self._log.emit(line, level=self._level)
