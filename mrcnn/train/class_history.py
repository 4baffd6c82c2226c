"""Writes the measures of each class after a validation to a table of their own, and a line of them to the log.

They are no columns of history.csv: its columns are the same in every run, and each may be monitored, while classes may
have any title and be more than a thousand. The table has a row for each epoch and class instead.
"""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mrcnn.errors import one_line
from mrcnn.events import EventLog
from mrcnn.train import history
from mrcnn.train.clock import Clock
from mrcnn.train.optional_files import OptionalFiles

FILE = "val_per_class.csv"
SHOWN = ("mask_ap", "box_ap")  # the first that there is, in the log
MOST = 10  # classes in the line of the log

PerClass = Mapping[str, Mapping[str, float]]  # by title, and then by name


class ClassRecorder(keras.callbacks.Callback):
    """Adds the measures of each class to `FILE` and to the log; must come after the validation and its log line."""

    def __init__(
        self,
        clock: Clock,
        *,
        measured: Callable[[], PerClass],
        folder: Path,
        log: EventLog,
        optional_files: OptionalFiles,
    ):
        """Stores the settings.

        Args:
            clock: the run's position.
            measured: returns the newest measures of each class.
            folder: where the file is written.
            log: receives the line.
            optional_files: writes the file without ending the run on an error.
        """
        super().__init__()
        self._clock, self._measured, self._log = clock, measured, log
        self._path, self._optional_files = folder / FILE, optional_files
        self._rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs=None):
        """Reads the rows so far, without those of epochs that a resumed run repeats."""
        with self._optional_files.writing(self._path):
            self._rows = read(self._path, epochs=self._clock.epoch) if self._path.is_file() else []

    def on_epoch_end(self, epoch, logs=None):
        """Adds the rows of a validated epoch."""
        found = self._measured() if logs and "val_loss" in logs else {}
        if not found:
            return
        self._rows += [{"epoch": epoch + 1, "class": title, **_whole(values)} for title, values in found.items()]
        with self._optional_files.writing(self._path):
            history.write_csv(self._path, self._rows)
        if text := line(found):
            self._log.info(text)


def line(found: PerClass) -> str | None:
    """Formats a measure of each class, of many classes of the weakest.

    Returns:
        None for a single class, whose measure is that of all, and without any measure.
    """
    name = next((name for name in SHOWN if any(name in values for values in found.values())), None)
    if name is None or len(found) < 2:
        return None
    known = {title: values.get(name, math.nan) for title, values in found.items()}
    shown, whose = known, "by class"
    if len(known) > MOST:
        weakest = sorted((title for title in known if not math.isnan(known[title])), key=known.__getitem__)[:MOST]
        shown, whose = (
            {title: known[title] for title in weakest},
            f"of the weakest {len(weakest)} of {len(known)} classes",
        )
    parts = [f"{one_line(title)} {'-' if math.isnan(value) else f'{value:.3f}'}" for title, value in shown.items()]
    return f"val {name.replace('_ap', ' AP')} {whose}: {', '.join(parts)}"


def read(path: Path, *, epochs: int) -> list[dict[str, Any]]:
    """Reads the rows of the first epochs from the file.

    Args:
        path: the file.
        epochs: number of complete epochs.

    Returns:
        Rows as `history.write_csv` writes them again; a row without the number of an epoch is left out.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows: Sequence[dict[str, Any]] = list(csv.DictReader(file))
    kept = [row for row in rows if str(row.get("epoch")).isdigit() and int(row["epoch"]) <= epochs]
    return [{name: value for name, value in row.items() if name is not None and value} for row in kept]


def _whole(values: Mapping[str, float]) -> dict[str, Any]:
    return {name: int(value) if name == "objects" else value for name, value in values.items()}
