"""What a run can do without: tables and curves of figures that its checkpoints hold too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import tensorflow as tf

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.events import EventLog


class Extras:
    """Lets a run go on when one of these files cannot be written, and warns of each once."""

    def __init__(self, log: EventLog):
        """Reports to `log`."""
        self._log = log
        self._failed: set[Path] = set()

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Catches what a body raises that cannot write `path`."""
        try:
            with files.writing("the optional", path, also=(tf.errors.OpError,)):
                yield
        except UserError as error:
            if path not in self._failed:
                self._log.warning(f"{error}; the run goes on without, its checkpoints hold the same figures")
            self._failed.add(path)


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, except that a disk that takes no events does not end the run."""

    def __init__(self, folder: Path, *, extras: Extras):
        """Writes into `folder`, without the graph."""
        super().__init__(str(folder), write_graph=False)
        self._folder, self._extras = folder, extras

    def set_model(self, model):
        """Prepares the folder."""
        with self._extras.writing(self._folder):
            super().set_model(model)

    def on_train_begin(self, logs=None):
        """Opens the event files."""
        with self._extras.writing(self._folder):
            super().on_train_begin(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's figures."""
        with self._extras.writing(self._folder):
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        """Closes the event files."""
        with self._extras.writing(self._folder):
            super().on_train_end(logs)
