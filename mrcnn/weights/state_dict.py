"""Reads the weights of other frameworks as arrays by name: PyTorch, detectron2, Caffe2, safetensors.

The first bytes of the file, not its suffix, decide how it is read. No code of the file is run, and PyTorch is not
needed. The names are those of the file; the caller maps them to layers.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.weights import checked, numpy_pickles, torch_files

WRAPPERS = ("model", "state_dict", "model_state_dict", "blobs")  # keys under which checkpoints hold their weights
NOTES = ("__author__", "matching_heuristics")  # entries of detectron2 that are no content
CAFFE2_STATE = ("lr", "model_iter")  # values of a training that are arrays too
START = 512  # bytes; the name of an archive's first member is among them
SAFETENSORS_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1",
}  # fmt: skip

TORCH, LEGACY, PICKLE, SAFETENSORS = "PyTorch", "PyTorch before 1.6", "pickle", "safetensors"


@dataclass(frozen=True)
class StateDict:
    """Weights by name.

    Attributes:
        path: path of the file.
        form: the file format, for people.
        tensors: {name: array} in the order of the file; bool, integers or floats in the byte order of this machine;
            bfloat16 as float32. Arrays may be read-only.
        author: who made the file, as written by detectron2; None if absent.
        ignored: number of entries that are no weights, such as the optimizer.
    """

    path: str
    form: str
    tensors: dict[str, np.ndarray] = field(repr=False)
    author: str | None = None
    ignored: int = 0


def is_state_dict(path: str | os.PathLike[str]) -> bool:
    """Checks the first bytes of a file for a form that `read_state_dict` reads.

    Returns:
        False also for a missing file, a folder, and files in HDF5 or of Keras. Any pickle counts.
    """
    try:
        return files.is_regular(path) and _form(_start(path)) is not None
    except OSError:
        return False


def read_state_dict(path: str | os.PathLike[str]) -> StateDict:
    """Reads a weight file of another framework.

    A checkpoint that holds its weights under `model`, `state_dict` or `model_state_dict` is unwrapped.

    Args:
        path: path of a file by `torch.save`, a pickle of NumPy arrays by detectron2 or Caffe2, or safetensors.

    Raises:
        UserError: the file is missing, of another form, damaged, too large, without weights, or could run code.
    """
    path = Path(path)
    if not files.is_regular(path):
        raise UserError(f"the weight file {path} {'is no regular file' if path.exists() else 'does not exist'}")
    try:
        start = _start(path)
    except OSError as error:
        raise UserError(f"the weight file {path} cannot be read: {error.strerror}") from error
    form = _form(start)
    if form is None:
        found = "it is empty" if not start else f"it starts with {start[:8]!r}"
        raise UserError(f"the weight file {path} is none of PyTorch, detectron2, Caffe2 or safetensors: {found}")
    with checked.damaged(path):
        if form == SAFETENSORS:
            return _read_safetensors(path)
        with _opened(path, form) as content:
            return _collect(content, path=path, form=form)


def _start(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(START)


def _form(start: bytes) -> str | None:
    if torch_files.is_archive(start):
        return TORCH
    if start.startswith(torch_files.LEGACY_START):
        return LEGACY
    if re.match(rb"\x80[\x02-\x05]", start):
        return PICKLE
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < checked.MOST_BYTES:
        return SAFETENSORS
    return None


@contextmanager
def _opened(path: Path, form: str) -> Iterator[Any]:
    """Opens a pickle of any form; its tensors can be read within the `with` block."""
    where = f"the weight file {path}"
    if form == TORCH:
        with torch_files.open_archive(path, where=where) as content:
            yield content
        return
    data = files.read_bytes(path, what="weight file", most=checked.MOST_BYTES)
    yield (torch_files.load_legacy if form == LEGACY else numpy_pickles.load)(data, where=where)


def _collect(content: Any, *, path: Path, form: str) -> StateDict:
    """Selects the weights of a checkpoint and reads their values."""
    if type(content) is not dict:
        raise UserError(f"the weight file {path} holds no weights by name, expected a dictionary (a state dict)")
    wrapper = next((key for key in WRAPPERS if _has_weights(content.get(key))), None)
    state = content if wrapper is None else content[wrapper]
    tensors = {name: value for name, value in state.items() if type(name) is str and _is_weight(value)}
    if form == PICKLE and wrapper != "model":
        tensors = {name: value for name, value in tensors.items() if not _is_caffe2_state(name, value)}
    if not tensors:
        names = ", ".join(str(key) for key in list(state)[:6]) or "nothing"
        raise UserError(f"the weight file {path} holds no tensors by name, only {names}; save its state dict")
    beside = [] if wrapper is None else [key for key in content if key not in (wrapper, *NOTES)]
    left_out = [key for key in state if key not in tensors and key not in NOTES]
    total = sum(value.nbytes for value in tensors.values())
    if total > checked.MOST_BYTES:
        raise UserError(f"the weight file {path} has tensors of {total} bytes together, more than any model has")
    author = content.get("__author__")
    return StateDict(
        path=str(path),
        form=_title(form, wrapper),
        tensors={name: value.read() for name, value in tensors.items()},
        author=author if type(author) is str else None,
        ignored=len(beside) + len(left_out),
    )


def _has_weights(value: Any) -> bool:
    return type(value) is dict and any(map(_is_weight, value.values()))


def _is_weight(value: Any) -> bool:
    return isinstance(value, torch_files.Tensor | numpy_pickles.Array)


def _is_caffe2_state(name: str, value: numpy_pickles.Array) -> bool:
    return name.endswith("_momentum") or name in CAFFE2_STATE or value.shape == ()


def _title(form: str, wrapper: str | None) -> str:
    if form == PICKLE:
        return "detectron2 pickle" if wrapper == "model" else "Caffe2 pickle"
    return form if wrapper is None else f"{form}, under `{wrapper}`"


def _read_safetensors(path: Path) -> StateDict:
    data = files.read_bytes(path, what="weight file", most=checked.MOST_BYTES)
    stored = dict(safetensors.deserialize(data))  # in random order
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # has been checked by the library
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name in header:
        where = f"the weight file {path}: {name}"
        kind, shape, values = (stored[name][key] for key in ("dtype", "shape", "data"))
        if kind not in SAFETENSORS_DTYPES:
            raise UserError(f"{where} has values of type {kind}, expected one of {', '.join(SAFETENSORS_DTYPES)}")
        tensors[name] = _numbers(values, kind, tuple(shape), where=where)
    if not tensors:
        raise UserError(f"the weight file {path} holds no tensors")
    return StateDict(path=str(path), form=SAFETENSORS, tensors=tensors, author=metadata.get("__author__"))


def _numbers(data: bytes, kind: str, shape: tuple[int, ...], *, where: str) -> np.ndarray:
    stored = np.dtype(SAFETENSORS_DTYPES[kind])
    checked.size_of(shape, stored.itemsize, where=where)
    values = np.frombuffer(data, stored).reshape(shape) if data else np.empty(shape, stored)
    if kind == "BF16":
        return torch_files.widen_bfloat16(values)
    return values != 0 if kind == "BOOL" else values.astype(stored.newbyteorder("="), copy=False)
