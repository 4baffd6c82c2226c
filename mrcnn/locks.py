"""Locks an output, so that only one run at a time writes to it.

The operating system releases the lock when the process ends, also after a crash.
"""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import filelock

from mrcnn.errors import UserError

INSIDE = ".mrcnn.lock"  # name of the lock file in an output folder that the run fills
BESIDE = ".lock"  # suffix of the lock file beside an output that is renamed into place at the end
MOST_TEXT = 300  # bytes written and read of the text about the holder
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}  # the file system has none


@contextmanager
def inside(output: str | os.PathLike[str], *, warn: Callable[[str], None]) -> Iterator[None]:
    """Locks an output folder that a run fills; see `held`.

    A missing folder is created, and removed again if the run leaves it empty.
    """
    output = Path(output)
    is_new = not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(output, error) from error
    try:
        with held(output / INSIDE, output=output, warn=warn):
            yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it is not empty
                output.rmdir()


@contextmanager
def beside(output: str | os.PathLike[str], *, warn: Callable[[str], None]) -> Iterator[None]:
    """Locks an output that is renamed into place; see `held`.

    The lock file lies beside the output, a file or folder that appears complete at the end of a run.
    """
    output = Path(output)
    target = output.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(output, error) from error
    with held(target.with_name(f".{target.name}{BESIDE}"), output=output, warn=warn):
        yield


def remove_left(output: str | os.PathLike[str]) -> None:
    """Removes the lock file of `beside` left by a killed process, unless it is held."""
    with contextlib.suppress(UserError), beside(output, warn=lambda message: None):
        pass


@contextmanager
def held(file: Path, *, output: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Locks a file while the body runs and removes it afterwards.

    The file contains the process, host, time and command line of its holder, for the message to another run.

    Args:
        file: the lock file, in an existing folder.
        output: the locked output, as the user named it.
        warn: called with one line where the file system cannot lock; the body then runs without a lock.

    Raises:
        UserError: another run holds the lock, or the folder cannot be written.
    """
    lock = filelock.FileLock(file, timeout=0, on_acquired=_write_holder, thread_local=False)
    try:
        file.open("ab").close()  # raises the precise reason where the folder cannot be written
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"another run is writing to {output}{_holder(file)}; wait for its end or name another output"
        ) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise _cannot_write(output, error) from error
        warn(f"the file system of {output} cannot lock files: nothing keeps a second run from writing there too")
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink()  # before the release: a run that already opened the file then sees that it was deleted
        lock.release()


def _write_holder(descriptor: int) -> None:
    program = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    text = f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M:%S}, {program}"
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text.encode(errors="backslashreplace")[:MOST_TEXT])


def _holder(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            text = stream.read(MOST_TEXT).decode(errors="replace")
    except OSError:  # on Windows no other process can read a locked file
        return ""
    return f" ({text})" if text else ""


def _cannot_write(output: Path, error: OSError) -> UserError:
    reason = "it is a file, not a folder" if isinstance(error, FileExistsError) else error.strerror or error
    return UserError(f"cannot write to the output {output}: {reason}; name another place")
