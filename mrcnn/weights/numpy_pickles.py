"""Reads pickled NumPy arrays, as detectron2 and Caffe2 write their weights, without running code.

A pickled array is an empty array followed by its state: version, shape, data type, order and bytes. A pickled data type
is its code (`f4`) followed by its state with the byte order.
Source: `ndarray.__reduce__` and `dtype.__reduce__`; NumPy 2 has renamed `numpy.core` to `numpy._core`.
"""

import re
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import checked, pickles


class Array(pickles.Stateful):
    """A pickled array; its values are converted when it is read.

    Attributes:
        shape: sides.
    """

    def __init__(self, *arguments: Any, where: str):
        """Creates an empty array.

        Args:
            arguments: those of NumPy's function, which have no influence.
            where: the file, for error messages.
        """
        self._where = where
        self.shape: tuple[int, ...] = (0,)
        self._dtype = np.dtype(np.uint8)
        self._fortran = False
        self._data: Any = b""

    @property
    def nbytes(self) -> int:
        """Returns the size in bytes."""
        return checked.size_of(self.shape, self._dtype.itemsize, where=self._where)

    def set_state(self, state: Any) -> None:
        """Stores shape, data type, order and bytes.

        Raises:
            UserError: the data type is not numeric, or the number of bytes does not fit the shape.
        """
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DataType) or type(shape) is not tuple:
            raise UserError(f"{self._where} has an array without a shape or a data type: it is damaged")
        if type(data) not in (str, bytes, memoryview):
            raise UserError(f"{self._where} has an array of Python objects, expected numbers")
        self.shape, self._dtype, self._fortran, self._data = shape, dtype.numpy, bool(fortran), data
        if self.nbytes != len(data):
            raise UserError(f"{self._where} has an array of shape {shape} with {len(data)} bytes: it is damaged")

    def read(self) -> np.ndarray:
        """Returns the values, read-only and in the byte order of this machine."""
        data = self._data.encode("latin1") if isinstance(self._data, str) else self._data
        if not len(data):
            return np.empty(self.shape, self._dtype.newbyteorder("="))
        if self._dtype == np.bool_:
            values = np.frombuffer(data, np.uint8) != 0  # NumPy trusts that a truth value is 0 or 1
        else:
            values = np.frombuffer(data, self._dtype)
        shaped = values.reshape(self.shape, order="F" if self._fortran else "C")
        return np.asarray(shaped, self._dtype.newbyteorder("="))


def load(data: bytes, *, where: str) -> Any:
    """Reads a pickle whose arrays become `Array`.

    Args:
        data: the whole file.
        where: the file, for error messages.

    Raises:
        UserError: as `pickles.load`.
        Exception: as `pickles.load`.
    """
    left = len(data)

    def encode(text: Any, encoding: Any) -> bytes:
        """Converts a text to bytes: Python 3 writes bytes so with protocol 2."""
        nonlocal left
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise UserError(f"{where} has bytes in the encoding {pickles.shown(encoding)}, expected latin1")
        left -= len(text)
        if left < 0:  # the same text again and again
            raise UserError(f"{where} unpacks to more bytes than it has: it is damaged or malicious")
        return text.encode("latin1")

    reconstruct = pickles.Constructor(lambda *arguments: Array(*arguments, where=where))
    allowed = {
        "numpy.ndarray": pickles.Name("numpy.ndarray"),
        "numpy.dtype": pickles.Constructor(lambda code, *_: _DataType(code, where=where)),
        "numpy.core.multiarray._reconstruct": reconstruct,
        "numpy._core.multiarray._reconstruct": reconstruct,
        "_codecs.encode": pickles.Constructor(encode),
    }
    return pickles.load(data, where=where, allowed=allowed)[0]


class _DataType(pickles.Stateful):
    """A pickled data type of numbers."""

    def __init__(self, code: Any, *, where: str):
        if isinstance(code, bytes):
            code = code.decode("latin1")
        if not isinstance(code, str) or not re.fullmatch("[fiu][1248]|b1", code) or code == "f1":
            raise UserError(f"{where} has an array of type {pickles.shown(code)}, expected numbers")
        self._code = code
        self.numpy = np.dtype(code)

    def set_state(self, state: Any) -> None:
        """Stores the byte order, the second value of the state."""
        order = state[1].decode() if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"a byte order {pickles.shown(order)}")
        self.numpy = np.dtype(f"{order}{self._code}")
