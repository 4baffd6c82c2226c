"""Creates HDF5 files so that a full or broken disk causes a single ordinary error.

After a failed write, HDF5 itself raises more errors at every later close, and in some cases crashes with a segmentation
fault.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py


@contextmanager
def create(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Creates an HDF5 file for writing and closes it after the `with` block.

    Raises:
        OSError: the file cannot be created or written; an incomplete file is left.
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
    """A file object for HDF5 that hides write errors from it.

    The first error is kept in `error`; all later writes are discarded.
    """

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
