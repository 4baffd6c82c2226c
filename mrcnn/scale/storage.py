"""Reads and writes files of this machine, of a shared file system, or of object storage by URL.

A place is a path or a URL such as `s3://bucket/folder`, which `fsspec` opens.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import fsspec

from mrcnn import files
from mrcnn.errors import UserError

# protocols of object storage, where a file appears whole when its upload ends, and a rename would copy it
OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "r2"})
LOCAL = ("file://", "local://")
SEPARATOR = "://"


def normalized(place: str | os.PathLike[str]) -> str:
    """Returns a URL as it is, a path as an absolute one; `file://` URLs become paths."""
    text = os.fspath(place)
    for prefix in LOCAL:
        if text.startswith(prefix):
            text = text.removeprefix(prefix)
    return text if is_url(text) else Path(text).absolute().as_posix()


def is_url(place: str) -> bool:
    """Checks whether a place is a URL."""
    return SEPARATOR in place


def joined(folder: str, *names: str) -> str:
    """Appends names to a place."""
    return "/".join((folder.rstrip("/") if is_url(folder) else folder.rstrip("/") or "/", *names))


def opened(url: str) -> tuple[Any, str]:
    """Finds the file system of a URL and the path inside it.

    Raises:
        UserError: no such protocol is known, or the package for it is not installed.
    """
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UserError(f"cannot open {url}: {error}") from error
    return system, path


@contextlib.contextmanager
def _readable(what: str, place: str) -> Iterator[None]:
    """Converts what file systems raise, which differs between them, into a `UserError` with the place."""
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"cannot read the {what} {place}: no such file") from error
    except Exception as error:
        raise UserError(f"cannot read the {what} {place}: {files.reason(error)}") from error


def read_bytes(place: str, *, what: str = "file") -> bytes:
    """Reads a file.

    Args:
        place: a path or URL.
        what: name of the file in an error message.

    Raises:
        UserError: it is missing or unreadable; the message has the reason.
    """
    if not is_url(place):
        return files.read_bytes(place, what=what)
    with _readable(what, place):
        system, path = opened(place)
        return bytes(system.cat_file(path))


@contextlib.contextmanager
def reading(place: str, *, what: str = "file") -> Iterator[BinaryIO]:
    """Opens a file of which only parts are read.

    Raises:
        UserError: it is missing or unreadable; the message has the reason.
    """
    with _readable(what, place):
        if is_url(place):
            system, path = opened(place)
            with system.open(path, "rb") as stream:
                yield stream
        else:
            with open(place, "rb") as stream:
                yield stream


def write_bytes(place: str, data: bytes, *, what: str = "file") -> None:
    """Writes a file whole or not at all, and replaces one of that name.

    On object storage it is one upload. Elsewhere it is written under a temporary name and renamed.

    Raises:
        UserError: it cannot be written; the message has the reason.
    """
    with files.writing(f"the {what}", place):
        if not is_url(place):
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            with files.replaced(place) as unfinished:
                unfinished.write_bytes(data)
            return
        system, path = opened(place)
        if place.split(SEPARATOR)[0] in OBJECT_STORES:
            system.pipe_file(path, data)
            return
        folder, _, name = path.rpartition("/")
        system.makedirs(folder, exist_ok=True)
        aside = f"{folder}/.{uuid.uuid4().hex}.partial.{name}"
        system.pipe_file(aside, data)
        system.mv(aside, path)


def names(folder: str) -> set[str]:
    """Lists the names in a folder; none where it does not exist.

    Raises:
        UserError: the folder cannot be read.
    """
    if not is_url(folder):
        return {path.name for path in Path(folder).iterdir()} if os.path.isdir(folder) else set()
    with _readable("folder", folder):
        system, path = opened(folder)
        system.invalidate_cache(path)
        with contextlib.suppress(FileNotFoundError):
            return {name.rstrip("/").rpartition("/")[2] for name in system.ls(path, detail=False)}
        return set()


def exists(place: str) -> bool:
    """Checks whether a file is there.

    Raises:
        UserError: the file system cannot be read.
    """
    if not is_url(place):
        return os.path.isfile(place)
    with _readable("file", place):
        system, path = opened(place)
        return bool(system.isfile(path))


def remove(place: str) -> None:
    """Removes a file; does nothing where it is missing.

    Raises:
        UserError: it cannot be removed.
    """
    with files.writing("over", place), contextlib.suppress(FileNotFoundError):
        if is_url(place):
            system, path = opened(place)
            system.rm_file(path)
        else:
            Path(place).unlink()
