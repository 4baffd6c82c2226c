"""Records a run's data, machine, hours and best validation in `run.json`, from which its model card is written."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import keras

from mrcnn.card import facts
from mrcnn.card.facts import BestFacts, Energy, Machine, Process, RunFacts
from mrcnn.errors import UserError
from mrcnn.train import history
from mrcnn.train.clock import Clock
from mrcnn.train.optional_files import OptionalFiles

ENERGY = "measuring the energy"


class Meter(Protocol):
    """Measures energy; see `codecarbon_meter`."""

    def start(self) -> None:
        """Starts the measurement."""

    def read(self) -> Energy | None:
        """Reads the energy since the start."""

    def stop(self) -> None:
        """Ends the measurement."""


class RunRecord(keras.callbacks.Callback):
    """Writes the record at the start, after every epoch and at the end; must come after the recorder.

    The file is complete after a kill, but for the time since the last epoch.
    """

    def __init__(
        self,
        clock: Clock,
        path: Path,
        *,
        start: RunFacts,
        machine: Machine,
        optional_files: OptionalFiles,
        monitor: str = history.MONITOR,
        describe: Callable[[int], BestFacts] | None = None,
        skipped: Callable[[], tuple[int, int]] = lambda: (0, 0),
        meter: Meter | None = None,
    ):
        """Stores the settings and starts the process's time.

        Args:
            clock: the run's position and history.
            path: the file.
            start: what is known before the process, with the earlier processes of a resumed run.
            machine: this computer.
            optional_files: writes the file without ending the run on an error.
            monitor: the column that decides which epoch is best.
            describe: describes the newest validation, of the epoch given from 1; None where nothing is measured.
            skipped: counts the training and the validation images that could not be read so far.
            meter: measures the energy; None does not.
        """
        super().__init__()
        self._clock, self._path, self._facts, self._machine = clock, path, start, machine
        self._optional_files, self._monitor, self._describe = optional_files, monitor, describe
        self._skipped, self._meter = skipped, meter
        self._energy: Energy | None = None
        self._began, self._started, self._epochs = datetime.now(UTC), time.monotonic(), 0
        self._best = start.best

    def on_train_begin(self, logs=None):
        """Writes the file, so that an early kill leaves an entry of this process."""
        self.write()

    def on_epoch_end(self, epoch, logs=None):
        """Describes the epoch's validation if it is the best, and writes the file."""
        self._epochs += 1
        rows = self._clock.rows
        is_best = bool(rows) and history.best_index(rows, monitor=self._monitor) == len(rows) - 1
        if is_best and self._describe:
            with self._optional_files.attempting("recording the best epoch for the model card"):
                self._best = self._describe(epoch + 1)
        self.write()

    @contextmanager
    def completed(self) -> Iterator[None]:
        """Context of the training; measures its energy, and writes the file at its end, also after an error."""
        with self._optional_files.attempting(ENERGY):
            if self._meter:
                self._meter.start()
        try:
            yield
        finally:
            self.write()
            with self._optional_files.attempting(ENERGY):
                if self._meter:
                    self._meter.stop()

    def write(self) -> None:
        """Writes the file with the time until now."""
        with self._optional_files.attempting(ENERGY):
            if self._meter:
                self._energy = self._meter.read()
        with self._optional_files.attempting(f"writing {self._path}"):
            facts.write(self._path, self.facts)

    @property
    def facts(self) -> RunFacts:
        """What is known now."""
        start, (train, val) = self._facts, self._skipped()
        process = Process(
            began=self._began.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self._started, 1),
            epochs=self._epochs,
            machine=self._machine,
            energy=self._energy,
        )
        return start.model_copy(
            update={
                "processes": (*start.processes, process),
                "best": self._best,
                "skipped_train": max(start.skipped_train, train),
                "skipped_val": max(start.skipped_val, val),
            }
        )


def with_earlier(start: RunFacts, path: Path, *, warn: Callable[[str], None]) -> RunFacts:
    """Adds the processes and the best epoch that a stopped run recorded.

    Args:
        start: what is known of the run that resumes it.
        path: the stopped run's record.
        warn: receives a line if the record is missing or damaged; the result says then that processes are missing.
    """
    try:
        before = facts.read(path)
    except UserError as error:
        warn(f"{error}; the model card counts the hours from now on")
        return start.model_copy(update={"is_complete": False})
    kept = ("processes", "best", "is_complete", "skipped_train", "skipped_val")
    return start.model_copy(update={name: getattr(before, name) for name in kept})
