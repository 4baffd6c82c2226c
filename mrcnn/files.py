"""Safe file access: bounded reads of untrusted regular files, atomic writes, checks of output folders."""

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
MOST_NAME = 255 - len(".interrupted.old")  # bytes of an output's name: 255 is the limit of file systems
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.partial(\.\w+)?")

FLUSHED_AT_ONCE = 16  # files: the file system flushes several together; a thousand one after another take seconds


def read_bytes(path: str | os.PathLike[str], *, what: str = "file", most: int | None = None) -> bytes:
    """Reads a regular file.

    Args:
        path: links are followed.
        what: name of the file in an error message, for example "image".
        most: maximum length, bytes; None for no limit.

    Raises:
        UserError: it is missing, unreadable, longer than `most`, or no regular file: reading a pipe could block, and a
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
            # its size, not `most`: `read(most)` allocates memory for the longest allowed file before it reads
            return stream.read() if most is None else stream.read(status.st_size)
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"cannot read the {what} {os.fspath(path)}: {reason}") from error


@contextmanager
def writing(what: str, path: str | os.PathLike[str], *, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Converts an `OSError` of the body, for example a full disk, into a `UserError`.

    Args:
        what: name of the file in the error message, for example "the checkpoint".
        path: the file that the body writes.
        also: further exception types that a library raises when it cannot write.

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
    """Extracts the reason of a failed read or write, preferably the operating system's text."""
    text = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*", "", str(error), flags=re.DOTALL)  # TensorFlow adds where in a graph
    return getattr(error, "strerror", None) or text or type(error).__name__


def check_writable(
    directory: str | os.PathLike[str], *, links: bool = False, shown: str | os.PathLike[str] | None = None
) -> None:
    """Checks that files can be created in a folder, and removes its test files.

    Args:
        directory: the folder, which need not exist yet.
        links: check symbolic links too.
        shown: name of the folder in the error message; None for its path.

    Raises:
        UserError: they cannot be created; the message gives the reason.
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
    """Checks that an output folder can be written beside its path and then renamed.

    Args:
        directory: the output folder.
        fix: advice in the error message where the folder is not empty.

    Raises:
        UserError: it exists and is not an empty folder, its parent cannot be written, it is a mount point, which a
            rename cannot replace, or its name is too long to append suffixes.
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
    """Checks whether a path leads to a regular file; False where nothing exists."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def replaced(path: str | os.PathLike[str], *, suffix: str = "") -> Iterator[Path]:
    """Writes a file atomically: the body writes a temporary file, which then replaces `path`.

    The context manager yields the path of the temporary file. The content is flushed to the disk before the rename.
    After an exception the former file is unchanged.

    Args:
        path: the file.
        suffix: ends the name of the temporary file, for libraries that find a format by the name.

    Raises:
        OSError: the file cannot be flushed or renamed.
    """
    target = Path(path)
    partial = _unused_name(target, suffix=suffix)
    try:
        yield partial
        flush(partial)
        os.replace(partial, target)
        flush(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def publish_folder(partial: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Renames a complete folder to its final path after all its files have reached the disk.

    Args:
        partial: the folder, on the disk of `path`.
        path: the final path: missing, or an empty folder, which is replaced.

    Raises:
        OSError: a file cannot be flushed, or the folder cannot be renamed.
    """
    flush_tree(partial)
    os.replace(partial, path)
    flush(Path(path).parent)


def link_or_copy(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Creates a hard link to a file, or copies the file where the disk allows no link.

    Args:
        source: the file; symbolic links are followed.
        target: path of the link or copy, in an existing folder; must not exist.

    Raises:
        UserError: the file cannot be copied.
    """
    try:
        # the file itself: a link to a symbolic link may dangle
        os.link(os.path.realpath(source) if os.path.islink(source) else source, target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            message = f"cannot copy {os.fspath(source)} to {os.fspath(target)}: {error.strerror or error}"
            raise UserError(message) from error


def replace_link(link: str | os.PathLike[str], target: str) -> None:
    """Creates a symbolic link to a folder, or replaces an existing link atomically.

    Args:
        link: path of the link.
        target: content of the link: the path of the folder, relative to that of the link.

    Raises:
        OSError: the link cannot be created.
    """
    partial = _unused_name(Path(link))
    try:
        partial.symlink_to(target, target_is_directory=True)
        os.replace(partial, link)
    finally:
        partial.unlink(missing_ok=True)


def clear(folder: str | os.PathLike[str]) -> None:
    """Removes temporary files of `replaced`, `replace_link` and `check_writable` that a killed process left."""
    for path in Path(folder).glob(f"{PROBE}*"):
        remove(path)
    for path in Path(folder).glob(".*.partial*"):
        if _PARTIAL.fullmatch(path.name):
            path.unlink(missing_ok=True)


def flush(path: str | os.PathLike[str]) -> None:
    """Flushes a file's content, or a folder's list of names, to the disk (`fsync`)."""
    if os.name == "nt" and os.path.isdir(path):
        return  # Windows opens no folder
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: str | os.PathLike[str]) -> None:
    """Flushes a folder with all its files and subfolders to the disk.

    A sync of the whole system would also wait for the writes of other programs.
    """
    paths = [
        path for parent, _, names in os.walk(folder) for path in (*(os.path.join(parent, n) for n in names), parent)
    ]
    with ThreadPoolExecutor(FLUSHED_AT_ONCE) as pool:
        list(pool.map(flush, paths))  # `list` re-raises an exception of a thread


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file, a link or a whole folder; does nothing where it is missing."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unused_name(path: Path, *, suffix: str = "") -> Path:
    """Builds the path of a temporary file beside a path, whose name may be as long as the system allows."""
    return path.with_name(f".{uuid.uuid4().hex}.partial{suffix}")
