"""Handles Ctrl-C and SIGTERM.

The first signal ends the run after the step in progress, the second ends the process at once.
"""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """Ends the process after a signal, once the run is saved."""

    def __init__(self, signum: int):
        """Sets the exit code to 128 + signal, as shells report it.

        Args:
            signum: number of the signal; Ctrl-C gives exit code 130, SIGTERM 143.
        """
        super().__init__(128 + signum)


class StopRequest:
    """Records the first signal during a `with` block; outside the main thread it records none.

    A second signal has its default effect and ends the process even inside a long computation. Checkpoints are written
    atomically, so none is lost.

    Attributes:
        signum: the recorded signal; None before.
    """

    def __init__(self) -> None:
        """Starts without a signal."""
        self.signum: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        """Installs the signal handlers."""
        if threading.current_thread() is threading.main_thread():
            self._before = {signum: signal.signal(signum, self._note) for signum in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Restores the previous signal handlers."""
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
