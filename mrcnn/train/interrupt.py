"""Ctrl-C and SIGTERM: the first ends the run after the step in progress, the second ends the process at once."""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(SystemExit):
    """Ends a run that was asked to stop and has saved where it stands; exit code 128 + signal, as shells report it."""

    def __init__(self, signum: int):
        """Takes the signal: 130 for Ctrl-C, 143 for SIGTERM."""
        super().__init__(128 + signum)


class StopRequest:
    """Notes the first signal while the `with` block runs; outside the main thread it hears none.

    After the first signal the second has its default effect, which ends the process even inside a long computation;
    checkpoints appear whole or not at all, so none is lost.

    Attributes:
        signum: the signal that came; None before.
    """

    def __init__(self) -> None:
        """Has heard nothing yet."""
        self.signum: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        """Starts to listen."""
        if threading.current_thread() is threading.main_thread():
            self._before = {signum: signal.signal(signum, self._note) for signum in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Puts the handlers back that were there before."""
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
