"""Groups messages that differ only in file names and numbers into one line."""

import re
import threading
from collections import Counter
from collections.abc import Iterable

from mrcnn.errors import LONGEST
from mrcnn.events import EventLog

FEW = 3  # messages of a kind that are shown in full
FILE = r"[\w.]*\.(?:json|jpe?g|jfif|mpo|bmp|png|webp|tiff?)\b"
VARIES = re.compile(
    rf"(?P<keep>(?<!\w)'[^']*'(?!\w))|data set \S+|\S*/[^\s:]*|(?i:{FILE})|\d+(?:\.\d+)?"  # a quoted title is kept
)


def kind_of(message: str, *names: str) -> str:
    """Reduces a message to its kind: removes file names, numbers and the value found.

    Args:
        message: any; the value found is the text from " got " on.
        names: further texts to remove, for example the image's name with its data set. Of a path, the part after the
            last slash is removed wherever it occurs, too.

    Returns:
        The message with an ellipsis for each removed name or number; equal for messages of one kind.
    """
    text = message[:LONGEST].partition(" got ")[0]
    for name in (*names, *(name.rpartition("/")[2] for name in names)):
        text = text.replace(name, "…") if name else text
    return VARIES.sub(lambda match: match["keep"] or "…", text)


def grouped(messages: Iterable[str]) -> list[str]:
    """Groups messages by kind; see `counted` for the lines of one kind."""
    kinds: dict[str, list[str]] = {}
    for message in messages:
        kinds.setdefault(kind_of(message), []).append(message)
    return [line for alike in kinds.values() for line in counted(alike)]


def counted(alike: list[str], *, files: int = 0) -> list[str]:
    """Shortens messages of one kind to one line where there are many.

    Args:
        alike: the messages.
        files: number of files in which they occur; 0 for unknown.

    Returns:
        Up to `FEW` messages as they are, more of them as "<count> times in <files> files, e.g. <the first>".
    """
    if len(alike) <= FEW:
        return alike
    where = f" in {files} files" if files else ""
    return [f"{len(alike)} times{where}, e.g. {alike[0]}"]


class Repeats:
    """Logs the first messages of each kind, then counts them; threads may share it."""

    def __init__(self, log: EventLog | None, *, level: str = "warn"):
        """Starts with no message.

        Args:
            log: where the messages go; None for nowhere.
            level: of the messages, one of `events.LEVELS`.
        """
        self._log, self._level = log, level
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, message: str, *names: str) -> None:
        """Logs a message unless `FEW` of its kind were logged; `names` as for `kind_of`."""
        kind = kind_of(message, *names)
        with self._lock:
            self._counts[kind] += 1
            count = self._counts[kind]
            self._first.setdefault(kind, message)
        if self._log is not None and count <= FEW:
            more = " (more messages like this are counted, not shown)" if count == FEW else ""
            self._log.emit(f"{message}{more}", level=self._level)

    def close(self) -> None:
        """Logs the number of messages of each kind that occurred more than `FEW` times."""
        with self._lock:
            lines = [f"{count} times, e.g. {self._first[kind]}" for kind, count in self._counts.items() if count > FEW]
            self._counts.clear()
            self._first.clear()
        if self._log is not None:
            for line in lines:
                self._log.emit(line, level=self._level)
