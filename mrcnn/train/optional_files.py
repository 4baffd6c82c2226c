"""Writes what a run can do without: files whose figures its checkpoints hold too, and the model card."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras

from mrcnn import files
from mrcnn.errors import UserError, one_line
from mrcnn.events import EventLog
from mrcnn.train.engine.current import engine


class OptionalFiles:
    """Turns errors in what a run can do without into one warning for each kind."""

    def __init__(self, log: EventLog):
        """Stores the log, which receives the warnings."""
        self._log = log
        self._failed: set[Path | str] = set()

    @contextmanager
    def writing(self, path: Path) -> Iterator[None]:
        """Context that catches the errors of writing `path` and logs a warning."""
        try:
            with files.writing("the optional", path, also=engine.FILE_ERRORS):
                yield
        except UserError as error:
            if path not in self._failed:
                self._log.warning(f"{error}; the run goes on without, its checkpoints hold the same figures")
            self._failed.add(path)

    @contextmanager
    def attempting(self, what: str) -> Iterator[None]:
        """Context that catches every exception, of other packages too, and logs a warning.

        Args:
            what: the attempt, as the subject of the warning.
        """
        try:
            yield
        except Exception as error:  # a missing picture or a full tracker must not cost a night of training
            if what not in self._failed:
                reason = one_line(str(error)) or type(error).__name__
                self._log.warning(f"{what} failed: {reason}; the run goes on without")
            self._failed.add(what)


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard callback, except that write errors do not end the run."""

    def __init__(self, folder: Path, *, optional_files: OptionalFiles):
        """Stores the folder of the event files; the graph is not written.

        Args:
            folder: where the event files are written.
            optional_files: turns write errors into warnings.
        """
        super().__init__(str(folder), write_graph=False)
        self._folder, self._optional_files = folder, optional_files

    def set_model(self, model):
        """Prepares the folder for the model's event files."""
        with self._optional_files.writing(self._folder):
            super().set_model(model)

    def on_train_begin(self, logs=None):
        """Opens the event files."""
        with self._optional_files.writing(self._folder):
            super().on_train_begin(logs)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's figures."""
        with self._optional_files.writing(self._folder):
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs=None):
        """Closes the event files."""
        with self._optional_files.writing(self._folder):
            super().on_train_end(logs)
