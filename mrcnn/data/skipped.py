"""Collects the images that could not be used, so that one bad file does not end a run and none goes unnoticed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import tensorflow as tf

from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.project.repeated import Repeats, kind_of

NAMED_IN_SUMMARY = 10  # kinds of reasons


class Skipped:
    """Counts and names broken images; may be used by several threads at once."""

    def __init__(self, total: int, *, max_share: float = 0.5, log: EventLog | None = None):
        """Starts with none.

        Args:
            total: images that may be reported.
            max_share: more than this share of them broken is an error of the whole set.
            log: where each is warned about once, of one kind the first few; None for nowhere.
        """
        self._total = total
        self._max_share = max_share
        self._warnings = Repeats(log)
        self._reasons: dict[str, str] = {}
        self._failure: UserError | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Counts the images."""
        return len(self._reasons)

    @property
    def reasons(self) -> dict[str, str]:
        """Maps the image's name to why it was skipped."""
        with self._lock:
            return dict(self._reasons)

    def add(self, name: str, reason: object) -> None:
        """Notes an image; noting it again changes nothing.

        Raises:
            UserError: too large a share of the images is broken.
        """
        text = " ".join(str(reason).splitlines())
        with self._lock:
            if name in self._reasons:
                return
            self._reasons[name] = text
        self._warnings.add(f"skipped {name}: {text}", name)
        if len(self) > self._max_share * self._total:
            self.fail(f"too many images cannot be used: {self.summary()}")

    def fail(self, message: str) -> NoReturn:
        """Ends the run with a `UserError`, which `surfaced` brings out of a `tf.data` pipeline."""
        self._failure = self._failure or UserError(message)  # other threads may fail while the first error travels
        raise self._failure from None

    def summary(self) -> str:
        """Says in one line how many images were skipped, and of each kind of reason one image; empty when none."""
        reasons = self.reasons
        if not reasons:
            return ""
        kinds: dict[str, list[str]] = {}
        for name, reason in reasons.items():
            kinds.setdefault(kind_of(reason, name), []).append(f"{name} ({reason})")
        parts = [f"{len(alike)} times, e.g. {alike[0]}" if alike[1:] else alike[0] for alike in kinds.values()]
        more = f"; and {len(parts) - NAMED_IN_SUMMARY} more" if len(parts) > NAMED_IN_SUMMARY else ""
        return f"{len(reasons)} of {self._total} images skipped: {'; '.join(parts[:NAMED_IN_SUMMARY])}{more}"

    @contextmanager
    def surfaced(self) -> Iterator[None]:
        """Wraps code that reads a dataset: what TensorFlow made of our error becomes the `UserError` again."""
        try:
            yield
        except tf.errors.OpError as error:
            if self._failure is None:
                raise
            raise self._failure from error
