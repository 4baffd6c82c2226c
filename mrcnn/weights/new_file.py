"""New HDF5 files, where a full or broken disk is one ordinary error.

HDF5 itself answers a write that failed with more errors at every later close, and in places with a segmentation fault.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py


@contextmanager
def create(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Opens a new HDF5 file for writing, and closes it at the end of the `with` block.

    Raises:
        OSError: the file cannot be made or written; it stays there as far as it was written.
    """
    with open(path, "wb+", buffering=0) as file:
        stream = _Stream(file)
        try:
            with h5py.File(stream, "w") as handle:
                yield handle
        except Exception as error:
            raise (stream.error or error) from error
        if stream.error is not None:
            raise stream.error


class _Stream(io.RawIOBase):
    """A file for HDF5 to write: notes the first error and drops what comes after it, so that HDF5 sees none."""

    def __init__(self, file: io.FileIO):
        super().__init__()
        self._file = file
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer) -> int | None:
        return self._file.readinto(buffer)

    def write(self, data) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while self.error is None and left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            if self.error is None:
                self._file.truncate(size)
        except OSError as error:
            self.error = error
        return size or 0
