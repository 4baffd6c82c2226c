"""One run at a time writes an output: a lock that the system releases when the process ends, however it ends."""

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

INSIDE = ".mrcnn.lock"  # in an output folder that the run fills
BESIDE = ".lock"  # behind the name of what appears whole
MOST_TEXT = 300  # bytes read of what the holder wrote
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}  # the file system has none


@contextmanager
def inside(output: str | os.PathLike[str], *, warn: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock of a folder that a run fills; see `held`.

    The folder is made where it is missing, and removed again where the run leaves it empty.
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
    """Holds the lock of a file or folder that appears whole at the end of a run; see `held`."""
    output = Path(output)
    target = output.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(output, error) from error
    with held(target.with_name(f".{target.name}{BESIDE}"), output=output, warn=warn):
        yield


def remove_left(output: str | os.PathLike[str]) -> None:
    """Removes the lock file of `beside` that a killed process left; one that is held stays."""
    with contextlib.suppress(UserError), beside(output, warn=lambda message: None):
        pass


@contextmanager
def held(file: Path, *, output: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock file, which exists while it is held and says who holds it.

    Args:
        file: the lock file, in a folder that exists.
        output: what is locked, as the user named it.
        warn: called with one line where the file system cannot lock; the run goes on without.

    Raises:
        UserError: another run holds it, or the place cannot be written.
    """
    lock = filelock.FileLock(file, timeout=0, on_acquired=_write_holder, thread_local=False)
    try:
        file.open("ab").close()  # for the reason where the place cannot be written
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
            file.unlink()  # first: who opened it before finds, once it is released, that it has no name any more
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
    except OSError:  # Windows lets nobody else read a locked file
        return ""
    return f" ({text})" if text else ""


def _cannot_write(output: Path, error: OSError) -> UserError:
    reason = "it is a file, not a folder" if isinstance(error, FileExistsError) else error.strerror or error
    return UserError(f"cannot write to the output {output}: {reason}; name another place")
