"""Writes arrays by name as files that PyTorch and safetensors read.

The bytes depend on the arrays alone.
A PyTorch file is an uncompressed zip archive: `data.pkl`, which rebuilds an ordered dictionary of tensors, one member
`data/<number>` of raw values for each tensor, `byteorder` and `version`. `torch.load` with `weights_only` reads it.
Source: torch/serialization.py and caffe2/serialize/inline_container.cc, which aligns values to 64 bytes.
"""

import os
import struct
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np
import safetensors
import safetensors.numpy

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.weights import torch_files

ROOT = "archive"
HEADER = 30  # bytes before the name of a member
ALIGNMENT = 64  # bytes, so that PyTorch can map values into memory
PADDING = 0x4246  # the number of PyTorch's padding among the extra fields of a zip member
STORAGES = {np.dtype(code): kind for kind, code in torch_files.DTYPES.items() if kind != "BFloat16Storage"}
SAFETENSORS = (*STORAGES, np.dtype("u2"), np.dtype("u4"), np.dtype("u8"))


def write_torch(path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a state dict of PyTorch, atomically.

    Args:
        path: path of the file; an existing file is replaced.
        tensors: {name: array} of bool, uint8, signed integers or floats; the order is kept.

    Raises:
        UserError: an array has another data type, or the file cannot be written.
    """
    _check(tensors, STORAGES, "PyTorch")
    with files.writing("the weight file", path), files.replaced(path) as partial, zipfile.ZipFile(partial, "w") as file:
        _add(file, "data.pkl", _program(tensors))
        _add(file, "byteorder", b"little")
        for number, values in enumerate(tensors.values()):
            _add(file, f"data/{number}", values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
        _add(file, "version", b"3\n")


def write_safetensors(path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a safetensors file, atomically.

    Args:
        path: path of the file; an existing file is replaced.
        tensors: {name: array} of bool, integers or floats; the file has them sorted by the size of their values, then
            by name.

    Raises:
        UserError: an array has another data type, or the file cannot be written.
    """
    _check(tensors, SAFETENSORS, "safetensors")
    ordered = {name: np.asarray(values, order="C") for name, values in tensors.items()}
    failures = (safetensors.SafetensorError,)
    with files.writing("the weight file", path, also=failures), files.replaced(path) as partial:
        partial.write_bytes(safetensors.numpy.save(ordered))  # `save_file` lets only its owner read the file


def _check(tensors: Mapping[str, np.ndarray], allowed: Iterable[np.dtype], form: str) -> None:
    for name, values in tensors.items():
        if values.dtype.newbyteorder("=") not in allowed:
            listed = ", ".join(str(dtype) for dtype in allowed)
            raise UserError(f"the tensor {name} has values of type {values.dtype}, {form} files hold {listed}")


def _add(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Appends a member whose content starts at a multiple of `ALIGNMENT`."""
    member = zipfile.ZipInfo(f"{ROOT}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system = 0  # the same on all systems
    start = file.start_dir + HEADER + len(member.filename) + 4  # 4 bytes for the number and length of the padding
    padding = -start % ALIGNMENT
    member.extra = struct.pack("<HH", PADDING, padding) + b"Z" * padding
    file.writestr(member, content)


def _program(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Builds the pickle of an ordered dictionary, instruction by instruction."""
    parts = [b"\x80\x02", _ordered_dict(), b"("]  # protocol 2; a mark before names and tensors
    for number, (name, values) in enumerate(tensors.items()):
        parts += [_text(name), _tensor(values, str(number))]
    return b"".join([*parts, b"u."])  # sets all items, ends


def _tensor(values: np.ndarray, key: str) -> bytes:
    kind = STORAGES[values.dtype.newbyteorder("=")]
    storage = _tuple(_text("storage"), _name("torch", kind), _text(key), _text("cpu"), _number(values.size)) + b"Q"
    # a side of 0 counts as 1 in the strides, as in PyTorch
    strides = [int(np.prod([max(side, 1) for side in values.shape[i + 1 :]], dtype=int)) for i in range(values.ndim)]
    shape, steps = (_tuple(*map(_number, sides)) for sides in (values.shape, strides))
    no_gradient = b"\x89"
    arguments = _tuple(storage, _number(0), shape, steps, no_gradient, _ordered_dict())
    return _name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def _ordered_dict() -> bytes:
    return _name("collections", "OrderedDict") + b")R"


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def _number(number: int) -> bytes:
    if number < 2**31:
        return b"J" + struct.pack("<i", number)
    return b"\x8a\x08" + struct.pack("<q", number)


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"
