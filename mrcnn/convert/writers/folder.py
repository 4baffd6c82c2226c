"""Writes a folder completely or not at all."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mrcnn import files, locks


@contextmanager
def new_folder(directory: Path, *, warn: Callable[[str], None]) -> Iterator[Path]:
    """Writes a folder under another name, and gives it its own name at the end.

    The context manager yields `<directory>.partial`, which is removed after an exception. A partial folder left by a
    killed run is removed first.

    Args:
        directory: the folder; must not exist or be empty.
        warn: called with one line where the file system cannot lock.

    Raises:
        UserError: `directory` exists and is not an empty folder, cannot be created or filled, or another run writes to
            it.
    """
    files.check_free(directory)
    target = directory.resolve()  # the folder itself where `directory` is a symbolic link
    partial = target.with_name(f"{target.name}.partial")
    with locks.beside(directory, warn=warn):
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with files.writing("the data", directory):
                partial.mkdir(parents=True)
                yield partial
                files.publish_folder(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
