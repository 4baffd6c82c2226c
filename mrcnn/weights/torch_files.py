"""Reads files written by `torch.save` without PyTorch and without running code.

Both forms hold a pickle of the saved object, in which a tensor is (storage, offset, size, stride), and the values of
the storages outside of the pickle. Since PyTorch 1.6 the file is a zip archive with the members `<root>/data.pkl` and
`<root>/data/<key>`. Before, the file has five pickles (a magic number, a version, facts of the machine, the object,
the keys of the storages), then for each key the number of its values as int64 and the values.
Storages are little-endian; an archive written on a big-endian machine has `big` in the member `byteorder`.
Source: torch/serialization.py and torch/_utils.py.
"""

import io
import math
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import checked, pickles

LEGACY_START = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")  # protocol 2 and the magic number
LEGACY_VERSION = 1001
MOST_PICKLE = 2**26  # bytes of `data.pkl`, and of an archive's list of members; a large checkpoint has 1 MB
DTYPES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "bf16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "b1",
}  # fmt: skip
_MEMBER = re.compile(r"[^/]+/(data\.pkl|data/\w+|version|byteorder|\.format_version|\.storage_alignment)")


class Storage:
    """One block of values that tensors share.

    Attributes:
        key: name of the storage in the file.
        kind: key of `DTYPES`.
        count: number of values.
        data: function that returns the bytes, of exactly `count` values.
        big_endian: whether the bytes are in big-endian order.
    """

    def __init__(self, key: str, *, kind: str, count: int):
        """Creates a storage whose `data` is set later."""
        self.key, self.kind, self.count = key, kind, count
        self.data: Callable[[], bytes | memoryview] = bytes
        self.big_endian = False

    @property
    def itemsize(self) -> int:
        """Returns the bytes of a value in the file."""
        return self._stored.itemsize

    @property
    def dtype(self) -> np.dtype:
        """Returns the data type of `values`."""
        return np.dtype("f4" if self.kind == "BFloat16Storage" else DTYPES[self.kind])

    @cached_property
    def values(self) -> np.ndarray:
        """Returns the values, `[count]` in the byte order of this machine; bfloat16 becomes float32."""
        stored = np.frombuffer(self.data(), self._stored.newbyteorder(">" if self.big_endian else "<"))
        if self.kind == "BFloat16Storage":
            return widen_bfloat16(stored)
        if self.kind == "BoolStorage":
            return stored != 0
        return stored.astype(self.dtype, copy=False)

    @property
    def _stored(self) -> np.dtype:
        return np.dtype({"BFloat16Storage": "u2", "BoolStorage": "u1"}.get(self.kind, DTYPES[self.kind]))


@dataclass(frozen=True)
class Tensor:
    """A view of a storage.

    Attributes:
        storage: the storage.
        offset: index of the first value.
        shape: sides.
        strides: distance of neighbours along each side, in values.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Returns the size in bytes of the array that `read` returns."""
        return math.prod(self.shape) * self.storage.dtype.itemsize

    def read(self) -> np.ndarray:
        """Returns the values as a contiguous array, read-only unless it is a copy."""
        dtype = self.storage.dtype
        if not self.nbytes:
            return np.empty(self.shape, dtype)
        values = self.storage.values
        # the stride of a side of 1 is never used and may be any number
        strides = [
            stride * dtype.itemsize if side > 1 else 0 for side, stride in zip(self.shape, self.strides, strict=True)
        ]
        view: np.ndarray = np.ndarray(self.shape, dtype, values, self.offset * dtype.itemsize, strides)
        return np.asarray(view, order="C")


def widen_bfloat16(values: np.ndarray) -> np.ndarray:
    """Converts bfloat16, given as uint16 of any shape, to float32."""
    return (values.astype(np.uint32) << 16).view(np.float32)


def is_archive(start: bytes) -> bool:
    """Checks the first bytes of a zip file for a member name of PyTorch."""
    length = int.from_bytes(start[26:28], "little")
    name = start[30 : 30 + length].decode("utf-8", "replace")
    return start[:4] == b"PK\x03\x04" and bool(_MEMBER.fullmatch(name))


@contextmanager
def open_archive(path: str | os.PathLike[str], *, where: str) -> Iterator[Any]:
    """Opens the form since PyTorch 1.6.

    The context manager yields the saved object; its `Tensor`s can be read within the `with` block.

    Args:
        path: path of the file.
        where: the file, for error messages.

    Raises:
        UserError: the archive has members that PyTorch does not write, or the pickle is refused.
        Exception: of many types, if the file is damaged.
    """
    size = Path(path).stat().st_size
    with _Bounded(path) as stream, zipfile.ZipFile(stream) as archive:
        stream.most = None
        members = _members(archive, size=size, where=where)
        root = _root(members, where=where)
        big_endian = _is_big_endian(archive, members.get(f"{root}/byteorder"), where=where)
        collection = _Storages(where)
        value, _ = pickles.load(
            archive.read(members[f"{root}/data.pkl"]), where=where, allowed=_allowed(where), persistent=collection.find
        )
        for storage in collection.found.values():
            member = members.get(f"{root}/data/{storage.key}")
            expected = storage.count * storage.itemsize
            if member is None or member.file_size != expected:
                found = "is missing" if member is None else f"has {member.file_size} bytes, expected {expected}"
                raise UserError(f"{where} is damaged: its storage {storage.key} {found}")
            storage.big_endian = big_endian
            storage.data = partial(archive.read, member)
        yield value


def load_legacy(data: bytes, *, where: str) -> Any:
    """Reads the form before PyTorch 1.6.

    Args:
        data: the whole file.
        where: the file, for error messages.

    Returns:
        The saved object, with tensors as `Tensor`.

    Raises:
        UserError: the version is another, a storage does not fit, or the pickle is refused.
        Exception: of many types, if the file is damaged.
    """
    left = memoryview(data)[len(LEGACY_START) + 1 :]
    version, end = pickles.load(left, where=where, allowed={})
    if version != LEGACY_VERSION:
        raise UserError(
            f"{where} has version {pickles.shown(version)} of PyTorch's older form, expected {LEGACY_VERSION}"
        )
    left = left[end:]
    _, end = pickles.load(left, where=where, allowed={})  # facts of the machine; the values are always little-endian
    left = left[end:]
    collection = _Storages(where)
    value, end = pickles.load(left, where=where, allowed=_allowed(where), persistent=collection.find)
    left = left[end:]
    keys, end = pickles.load(left, where=where, allowed={})
    _place(collection, keys, left[end:])
    return value


def _place(storages: "_Storages", keys: Any, data: memoryview) -> None:
    """Finds the values of each storage.

    Raises:
        UserError: storages are missing, duplicated or of another size.
    """
    where = storages.where
    if type(keys) is not list or any(type(key) is not str for key in keys):
        raise UserError(f"{where} is damaged: the keys of its storages are no list of texts")
    if len(set(keys)) != len(keys) or set(keys) != storages.found.keys():
        raise UserError(f"{where} is damaged: its storages are not those that its tensors use")
    for key in keys:
        storage = storages.found[key]
        count, length = int.from_bytes(data[:8], "little"), storage.count * storage.itemsize
        if count != storage.count or len(data) < 8 + length:
            raise UserError(f"{where} is damaged or cut short: its storage {key} does not have {storage.count} values")
        values, data = data[8 : 8 + length], data[8 + length :]
        storage.data = partial(memoryview.toreadonly, values)


class _Storages:
    """The storages that the tensors of one file use."""

    def __init__(self, where: str):
        self.where = where
        self.found: dict[str, Storage] = {}

    def find(self, description: Any) -> Storage:
        """Returns the storage of a description by `torch.save`.

        It has the word `storage`, type, key, device, count and, in the older form, None.
        """
        wrong = UserError(f"{self.where} is damaged: it describes a storage by {pickles.shown(description)}")
        if type(description) is not tuple or len(description) not in (5, 6):
            raise wrong
        word, kind, key, _, count = description[:5]
        if word != "storage" or not isinstance(kind, pickles.Name) or type(key) is not str:
            raise wrong
        if description[5:] not in ((), (None,)):
            raise UserError(f"{self.where} has a storage that is a part of another, which no state dict has")
        kind = kind.full.removeprefix("torch.")
        storage = self.found.setdefault(key, Storage(key, kind=kind, count=count))
        checked.size_of((count,), storage.dtype.itemsize, where=self.where)
        if (storage.kind, storage.count) != (kind, count):
            raise UserError(f"{self.where} is damaged: it describes the storage {key} in two ways")
        return storage


def _allowed(where: str) -> dict[str, Any]:
    def rebuild(*arguments: Any) -> Tensor:
        storage, offset, shape, strides, *_ = arguments  # then what concerns gradients
        return _checked(Tensor(storage, offset, shape, strides), where)

    def parameter(tensor: Any, *_: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise UserError(f"{where} is damaged: a parameter is no tensor")
        return tensor

    return {
        "torch._utils._rebuild_tensor_v2": pickles.Constructor(rebuild),
        "torch._utils._rebuild_parameter": pickles.Constructor(parameter),
        # a training script of torchvision saves its options and, in its schedule, a counter beside the weights
        "argparse.Namespace": pickles.Constructor(pickles.Inert),
        "collections.Counter": pickles.Constructor(pickles.Inert),
        **{f"torch.{name}": pickles.Name(f"torch.{name}") for name in DTYPES},
    }


def _checked(tensor: Tensor, where: str) -> Tensor:
    """Checks that a tensor lies within its storage.

    Raises:
        UserError: it does not, or its description is invalid.
    """
    storage, offset, strides = tensor.storage, tensor.offset, tensor.strides
    if not isinstance(storage, Storage) or type(tensor.shape) is not tuple or type(strides) is not tuple:
        raise UserError(f"{where} is damaged: a tensor has no storage, shape or strides")
    size = checked.size_of(tensor.shape, storage.dtype.itemsize, where=where)
    if len(strides) != len(tensor.shape) or any(type(n) is not int or n < 0 for n in (offset, *strides)):
        raise UserError(
            f"{where} is damaged: a tensor has the offset {pickles.shown(offset)} and strides {pickles.shown(strides)}"
        )
    last = offset + sum((side - 1) * stride for side, stride in zip(tensor.shape, strides, strict=True))
    if size and last >= storage.count:
        raise UserError(
            f"{where} is damaged: a tensor of shape {tensor.shape} with strides {strides} and offset {offset} leaves "
            f"its storage {storage.key} of {storage.count} values"
        )
    return tensor


class _Bounded(io.FileIO):
    """A file of which at most `most` bytes are read at once.

    A zip file declares the length of its list of members, and `zipfile` needs about 1 kB of memory for 50
    bytes of the list.
    """

    most: int | None = MOST_PICKLE

    def read(self, size: int | None = -1) -> bytes:
        """Reads bytes as a file does.

        Raises:
            ValueError: `size` is more than `most`.
        """
        if self.most is not None and size is not None and size > self.most:
            raise ValueError(f"a list of members of {size} bytes")
        return super().read(size)


def _members(archive: zipfile.ZipFile, *, size: int, where: str) -> dict[str, zipfile.ZipInfo]:
    """Checks the members of an archive by what its list declares, without reading them.

    Raises:
        UserError: a member is compressed, encrypted, duplicated or longer than the file.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename
        if name in members:
            raise UserError(f"{where} has the member {name} twice, which PyTorch does not write")
        if member.flag_bits & 1:
            raise UserError(f"{where} has an encrypted member, {name}: save it without a password")
        if member.compress_type != zipfile.ZIP_STORED:
            raise UserError(f"{where} has a compressed member, {name}: write it with torch.save, which compresses none")
        if member.file_size != member.compress_size or member.file_size > size:
            raise UserError(f"{where} is damaged or cut short: its member {name} has {member.file_size} bytes")
        members[name] = member
    total = sum(member.file_size for member in members.values())
    if total > checked.MOST_BYTES or len(members) > checked.MOST_OBJECTS:
        raise UserError(f"{where} has {len(members)} members of {total} bytes together, more than any model has")
    return members


def _root(members: dict[str, zipfile.ZipInfo], *, where: str) -> str:
    """Finds the folder of the archive.

    Raises:
        UserError: it is no archive of `torch.save`.
    """
    roots = [name.removesuffix("/data.pkl") for name in members if re.fullmatch(r"[^/]+/data\.pkl", name)]
    if len(roots) != 1:
        raise UserError(f"{where} is a zip file without one data.pkl, expected a file of torch.save")
    (root,) = roots
    if f"{root}/constants.pkl" in members:
        raise UserError(f"{where} is a TorchScript program: save its `state_dict()` with torch.save")
    if members[f"{root}/data.pkl"].file_size > MOST_PICKLE:
        raise UserError(
            f"{where} has a data.pkl of {members[f'{root}/data.pkl'].file_size} bytes, at most {MOST_PICKLE}"
        )
    return root


def _is_big_endian(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None, *, where: str) -> bool:
    """Reads the byte order of the storages.

    Raises:
        UserError: the member has another content.
    """
    if member is None:
        return False  # before PyTorch 2.1
    text = archive.read(member) if member.file_size <= len("little") else b""
    if text not in (b"little", b"big"):
        raise UserError(f"{where} is damaged: its byte order is {text!r}, expected little or big")
    return text == b"big"
