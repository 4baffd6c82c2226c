"""Files from strangers are read only where they are regular and not too long; ours appear whole or not at all."""

import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from mrcnn.errors import UserError

PROBE = ".write-probe-"
MOST_NAME = 255 - len(".interrupted.old")  # bytes of an output's name: 255 is what file systems take
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.partial")

FLUSHED_AT_ONCE = 16  # files: a file system writes the records of many in one go, a thousand one by one takes seconds


def read_bytes(path: str | os.PathLike[str], *, what: str = "file", most: int | None = None) -> bytes:
    """Reads a regular file.

    Args:
        path: links are followed.
        what: what an error calls it, for example "image".
        most: bytes it may have; None for no limit.

    Raises:
        UserError: it is missing, unreadable, longer than `most`, or no regular file: a pipe would be waited for, and a
            device such as /dev/zero has no end.
    """
    try:
        # O_NONBLOCK: opening a pipe must not wait for its writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"cannot read the {what} {os.fspath(path)}: it is no regular file")
            if most is not None and status.st_size > most:
                raise UserError(f"the {what} {os.fspath(path)} must have at most {most} bytes, it has {status.st_size}")
            # no more than its size: `read(most)` asks for the memory of the longest file before it reads
            return stream.read() if most is None else stream.read(status.st_size)
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"cannot read the {what} {os.fspath(path)}: {reason}") from error


@contextmanager
def writing(what: str, path: str | os.PathLike[str], *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turns the `OSError` of a body that writes, for example of a full disk, into one line with the path.

    Args:
        what: what an error calls it, for example "the checkpoint".
        path: what is written.
        also: what else a library raises when it cannot write.

    Raises:
        UserError: the body raised `OSError` or one of `also`; another `UserError` passes through.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except kinds as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"cannot write {what} {os.fspath(path)}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Returns why a read or write failed, in the system's words where it has some."""
    text = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*", "", str(error), flags=re.DOTALL)  # TensorFlow adds where in a graph
    return getattr(error, "strerror", None) or text or type(error).__name__


def check_writable(
    directory: str | os.PathLike[str], *, links: bool = False, shown: str | os.PathLike[str] | None = None
) -> None:
    """Checks that files can be made in a folder, which need not exist yet; leaves nothing behind.

    Args:
        directory: the folder.
        links: symbolic links must be possible too.
        shown: what an error calls the folder; None for its path.

    Raises:
        UserError: they cannot; says why.
    """
    place, missing = Path(directory).absolute(), Path()
    while not os.path.lexists(place):
        place, missing = place.parent, place.name / missing
    try:
        with tempfile.TemporaryDirectory(prefix=PROBE, dir=place, ignore_cleanup_errors=True) as probe:
            (probe / missing).mkdir(parents=True, exist_ok=True)
            (probe / missing / "file").write_bytes(b"full?")
            if links:
                (probe / missing / "link").symlink_to("file")
    except OSError as error:
        name = os.fspath(directory if shown is None else shown)
        raise UserError(f"cannot write to the output {name}: {reason(error)}; name another place") from error


def check_free(directory: str | os.PathLike[str], *, fix: str = "name another") -> None:
    """Checks that a folder which is written beside its place can take it at the end.

    Raises:
        UserError: it is there and not empty, its place cannot be written, or it is a mount point, which nothing can
            replace, or its name leaves no room for endings; `fix` says what to do where it is not empty.
    """
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserError(f"the output {directory} must be new or an empty folder; {fix}")
    if os.path.ismount(directory):
        raise UserError(f"the output {directory} must not be a mount point; name a folder inside it")
    target = directory.resolve()  # the folder itself where `directory` is a symbolic link
    if (length := len(os.fsencode(target.name))) > MOST_NAME:
        raise UserError(f"the name of the output {directory} has {length} bytes; give it at most {MOST_NAME}")
    partial = target.with_name(f"{target.name}.partial")
    check_writable(partial.parent if partial.exists() else partial, shown=directory)


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Tests whether a path leads to a regular file; False where nothing is there."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Writes a file atomically: the body writes the path it gets, which becomes `path` when the body ends.

    The content is flushed to the disk before the name changes. After an exception the former file is as it was.

    Raises:
        OSError: the file cannot be flushed or renamed.
    """
    target = Path(path)
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")  # short: the name may be as long as the system allows
    try:
        yield partial
        flush(partial)
        os.replace(partial, target)
        flush(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def clear(folder: str | os.PathLike[str]) -> None:
    """Removes what `replaced` and `check_writable` left in a folder when their process was killed."""
    for path in Path(folder).glob(f"{PROBE}*"):
        remove(path)
    for path in Path(folder).glob(".*.partial"):
        if _PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)


def flush(path: str | os.PathLike[str]) -> None:
    """Waits until a file's content, or a folder's list of names, would outlive a loss of power."""
    if os.name == "nt" and os.path.isdir(path):
        return  # Windows opens no folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: str | os.PathLike[str]) -> None:
    """Waits until a folder with all it holds would outlive a loss of power.

    Only these files are waited for: a sync of the whole system waits for what other programs write, too.
    """
    paths = [
        path for parent, _, names in os.walk(folder) for path in (*(os.path.join(parent, n) for n in names), parent)
    ]
    with ThreadPoolExecutor(FLUSHED_AT_ONCE) as pool:
        list(pool.map(flush, paths))  # a list: raises what a thread raised


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file, a link or a whole folder, where it is there."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
