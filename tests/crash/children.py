"""Runs in child processes, which kill themselves at the n-th file operation, or are killed after some time."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mrcnn.errors import UserError

DONE, REFUSED, BROKEN = 0, 3, 4
OPERATIONS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def run(
    work: Callable[[], object],
    folder: Path,
    *,
    kill_at: int | None = None,
    kill_after: float | None = None,
    report: Path | None = None,
) -> int:
    """Forks, and does the work in the child.

    Args:
        work: what the child does; a `UserError` of it is a refusal.
        folder: file operations below it count; also what the child prints goes there, into `../printed.txt`.
        kill_at: the child kills itself with SIGKILL before this operation, from 0.
        kill_after: it is killed after this many seconds.
        report: gets the number of operations.

    Returns:
        `DONE`, `REFUSED`, `BROKEN`, or the negative signal.
    """
    child = os.fork()
    if child == 0:
        os._exit(_work(work, folder, kill_at=kill_at, report=report))
    timer = None
    if kill_after is not None:
        timer = threading.Timer(kill_after, os.kill, (child, signal.SIGKILL))
        timer.start()
    _, status = os.waitpid(child, 0)
    if timer is not None:
        timer.cancel()
    return os.waitstatus_to_exitcode(status)


def _work(work: Callable[[], object], folder: Path, *, kill_at: int | None, report: Path | None) -> int:
    printed = os.open(folder.parent / "printed.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)
    counter = _Counter(str(folder), kill_at)
    sys.addaudithook(counter)
    try:
        work()
        code = DONE
    except UserError as error:
        print(error, file=sys.stderr)
        code = REFUSED
    except BaseException:
        traceback.print_exc()
        code = BROKEN
    sys.stderr.flush()
    count = counter.count
    if report is not None:
        report.write_text(str(count))
    return code


class _Counter:
    """Counts operations that change files below a folder; those by a folder's descriptor are ours too."""

    def __init__(self, folder: str, kill_at: int | None):
        self._folder, self._kill_at = folder, kill_at
        self.count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            counts = isinstance(flags, int) and bool(flags & WRITES) and self._is_below(path)
        else:
            counts = event in OPERATIONS and any(map(self._is_below, arguments))
            counts = counts or (event in ("os.remove", "os.rmdir") and arguments[-1] not in (-1, None))
        if counts:
            if self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(self._folder)
