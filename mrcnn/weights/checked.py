"""Opens untrusted HDF5 files; rejects references to other files and decompression bombs.

HDF5 can store the values of a data set in another file of any format (external storage), link to objects of other
files, compose a data set from others (virtual), and declare a data set of any shape without storing one value.
Source: HDF5 file format specification 3.0, sections on links and data layout.
"""

import math
import os
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from mrcnn import files
from mrcnn.errors import UserError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_BYTES = 2 * 2**30  # all data sets, uncompressed; a ResNet-101 model with Adam's variables has 0.8 GB
MOST_OBJECTS = 100_000  # groups and data sets; such a model has 2,000
MOST_SIDES = 32  # dimensions of an array; NumPy allows 64
UNSTORED_BYTES = 2**20  # a larger data set must have stored values; a smaller one may consist of its default value


def open_file(path: str | os.PathLike[str], *, what: str = "weight file") -> h5py.File:
    """Opens an HDF5 file for reading and checks all its objects, without reading values.

    Args:
        path: path of the file.
        what: kind of the file in error messages.

    Returns:
        The open file; the caller closes it.

    Raises:
        UserError: the file is missing, not a regular file, not HDF5 or damaged, or has objects that are rejected; see
            the module docstring.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"the {what} {path} is a folder")
    if not path.exists():
        raise UserError(f"the {what} {path} does not exist")
    if not files.is_regular(path):
        raise UserError(f"the {what} {path} is no regular file")
    _check_start(path, what)
    with damaged(path, what=what):
        handle = h5py.File(path, "r", locking=False)
    try:
        with damaged(path, what=what):
            _check_objects(handle, f"the {what} {path}")
    except UserError:
        handle.close()
        raise
    return handle


@contextmanager
def damaged(path: str | os.PathLike[str], *, what: str = "weight file") -> Iterator[None]:
    """Converts any exception from reading a damaged file to a one-line `UserError`.

    h5py raises exceptions of many types for invalid bytes.

    Args:
        path: path of the file.
        what: kind of the file in the message.

    Raises:
        UserError: the `with` block raised an exception; a `UserError` is not changed.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        size = Path(path).stat().st_size if Path(path).exists() else 0
        raise UserError(
            f"the {what} {path} is damaged or cut short ({size} bytes): copy or download it again ({_reason(error)})"
        ) from error


def size_of(shape: Iterable[Any], itemsize: int, *, where: str) -> int:
    """Computes the size of an array in bytes after a check of its shape.

    Args:
        shape: the sides, of any type; an empty shape is that of one value.
        itemsize: bytes of a value.
        where: the array or its file, for error messages.

    Raises:
        UserError: a side is no whole number or negative, there are too many, or the size is more than `MOST_BYTES`,
            also if a side of 0 counts as 1.
    """
    sides = tuple(shape)
    if len(sides) > MOST_SIDES or any(type(side) is not int or side < 0 for side in sides):
        raise UserError(f"{where} has an array with the shape {reprlib.repr(sides)}: it is damaged")
    most = itemsize * math.prod(side or 1 for side in sides)
    if most > MOST_BYTES:
        raise UserError(f"{where} has an array with the shape {sides}, {most} bytes, more than any model has")
    return 0 if 0 in sides else most


def _check_start(path: Path, what: str) -> None:
    try:
        with path.open("rb") as stream:
            start = stream.read(len(SIGNATURE))
    except OSError as error:
        raise UserError(f"the {what} {path} cannot be read: {error.strerror}") from error
    if start != SIGNATURE:
        found = "it is empty" if not start else f"it starts with {start!r}"
        raise UserError(f"the {what} {path} is not an HDF5 file: {found}")


def _check_objects(handle: h5py.File, where: str) -> None:
    waiting: list[tuple[str, h5py.Group]] = [("", handle)]
    seen, total = {_address(handle)}, 0
    while waiting:
        path, group = waiting.pop()
        for name in group:
            full = f"{path}/{name}"
            item = _follow(group, name, f"{where}: {full}")
            if _address(item) in seen:
                continue  # one object under two names
            seen.add(_address(item))
            if len(seen) > MOST_OBJECTS:
                raise UserError(f"{where} has more than {MOST_OBJECTS} objects; a model has some thousands")
            if isinstance(item, h5py.Group):
                waiting.append((full, item))
            elif isinstance(item, h5py.Dataset):
                total += _checked_bytes(item, f"{where}: {full}")
                if total > MOST_BYTES:
                    raise UserError(f"{where} unpacks to more than {MOST_BYTES} bytes, more than any model has")


def _follow(group: h5py.Group, name: str, where: str) -> h5py.Group | h5py.Dataset | h5py.Datatype:
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise UserError(f"{where} is a link to another file, {link.filename}; copy what it leads to into this file")
    if not isinstance(link, h5py.HardLink):
        raise UserError(f"{where} is a soft link, which weight files do not have; copy what it leads to")
    return group[name]


def _checked_bytes(dataset: h5py.Dataset, where: str) -> int:
    """Computes the uncompressed size of a data set in bytes, without reading values.

    Raises:
        UserError: the values are not in this file, not stored at all, or too large.
    """
    if dataset.external:
        raise UserError(f"{where} has its values in another file, {dataset.external[0][0]}; store them in this one")
    if dataset.is_virtual:
        raise UserError(f"{where} is composed of other data sets (virtual); store its values in this file")
    if dataset.shape is None:
        raise UserError(f"{where} has no value (a null data space)")
    size = dataset.dtype.itemsize * math.prod(int(side) for side in dataset.shape)
    if size > MOST_BYTES:
        raise UserError(f"{where} has the shape {dataset.shape}, {size} bytes, more than any model has")
    chunk = dataset.dtype.itemsize * math.prod(dataset.chunks or ())
    if chunk > max(size, UNSTORED_BYTES):  # HDF5 decompresses whole chunks
        raise UserError(f"{where} is stored in chunks of {chunk} bytes, more than the {size} of all its values")
    if size > UNSTORED_BYTES and not dataset.id.get_storage_size():
        raise UserError(f"{where} has the shape {dataset.shape} but no stored value")
    return size


def _address(item: h5py.Group | h5py.Dataset | h5py.Datatype) -> int:
    return int(h5py.h5o.get_info(item.id).addr)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
