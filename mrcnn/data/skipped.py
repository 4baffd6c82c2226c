"""Collects the images that could not be used.

A single bad file does not end a run, and every one is reported.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.ops.backend.current import native
from mrcnn.project.repeated import Repeats, kind_of

NAMED_IN_SUMMARY = 10  # kinds of reasons in the summary


class Skipped:
    """Records broken images and the reasons; safe for several threads."""

    def __init__(self, total: int, *, max_share: float = 0.5, log: EventLog | None = None):
        """Starts without broken images.

        Args:
            total: number of images of the set.
            max_share: share of broken images above which the whole set is refused.
            log: where warnings go, one per image, but only the first few of each kind; None for nowhere.
        """
        self._total = total
        self._max_share = max_share
        self._warnings = Repeats(log)
        self._reasons: dict[str, str] = {}
        self._failure: UserError | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Counts the broken images."""
        return len(self._reasons)

    @property
    def reasons(self) -> dict[str, str]:
        """Reason of each skipped image, by the image's name."""
        with self._lock:
            return dict(self._reasons)

    def add(self, name: str, reason: object) -> None:
        """Records a broken image; recording it again changes nothing.

        Args:
            name: of the image.
            reason: its text is joined to one line.

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
        """Ends the run with a `UserError`, which `surfaced` passes through a `tf.data` pipeline."""
        self._failure = self._failure or UserError(message)  # later failures of other threads keep the first error
        raise self._failure from None

    def summary(self) -> str:
        """Summarizes the skipped images in one line.

        Returns:
            Their number, and an example for each kind of reason; empty when none was skipped.
        """
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
        """Wraps code that reads a dataset and re-raises the `UserError` of `fail`.

        `tf.data` converts an exception inside the pipeline to an error of TensorFlow, which this replaces.
        """
        try:
            yield
        except native.ERRORS as error:
            if self._failure is None:
                raise
            raise self._failure from error
