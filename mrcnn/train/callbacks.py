"""What a run does besides training: report, record, save, stop. Ordinary Keras callbacks, in the order of `run.py`.

All read where the run stands from the `Clock` before them, and the validation's figures from the logs.
"""

import time
from pathlib import Path

import keras
import numpy as np

from mrcnn.events import EventLog
from mrcnn.train import checkpoint, history, plots
from mrcnn.train.checkpoint import CheckpointStore
from mrcnn.train.clock import Clock
from mrcnn.train.extras import Extras
from mrcnn.train.interrupt import Stopped, StopRequest

HISTORY = "history.csv"
CURVES = "curves.png"
REPORTED = (
    "loss",
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)  # to the event log, after every batch; the rest is in the history


class ProgressReport(keras.callbacks.Callback):
    """Reports progress in images and the losses after every step."""

    def __init__(self, clock: Clock, *, epochs: int, batch_size: int, log: EventLog):
        """Takes the numbers that turn steps into images; `batch_size` is over all devices."""
        super().__init__()
        self._clock, self._epochs, self._batch_size, self._log = clock, epochs, batch_size, log

    def on_epoch_begin(self, epoch, logs=None):
        """Shows the bar, before the first step, which is the slowest."""
        self._report()

    def on_train_batch_end(self, batch, logs=None):
        """Reports the newest batch."""
        values = self._clock.batch
        self._log.metrics("train", self._clock.fraction, {name: values[name] for name in REPORTED if name in values})
        self._report()

    def _report(self) -> None:
        clock = self._clock
        done, total = (steps * self._batch_size for steps in (clock.step, clock.steps_per_epoch))
        self._log.progress(f"epoch {clock.epoch + 1}/{self._epochs}, images", done, total)


class Recorder(keras.callbacks.Callback):
    """Adds the epoch to the history and writes `history.csv` and `curves.png`; must come after the validation."""

    def __init__(
        self,
        clock: Clock,
        *,
        folder: Path,
        batch_size: int,
        log: EventLog,
        extras: Extras,
        monitor: str = history.MONITOR,
    ):
        """Takes where the files go; `batch_size` is over all devices, `monitor` what the best epoch is best in."""
        super().__init__()
        self._clock, self._folder, self._batch_size, self._log = clock, folder, batch_size, log
        self._monitor = monitor
        self._extras = extras
        self._began, self._first_step, self._ended = 0.0, 0, 0.0

    def on_train_begin(self, logs=None):
        """Writes what is known already, so that a resumed run's files hold no row it will make again."""
        self._write()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock of the speed."""
        self._began = self._ended = time.monotonic()
        self._first_step = self._clock.step

    def on_train_batch_end(self, batch, logs=None):
        """Notes when the last step ended: validation does not count as training time."""
        self._ended = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the row."""
        logs = logs if logs is not None else {}
        seconds = self._ended - self._began
        images = (self._clock.step - self._first_step) * self._batch_size
        row = {
            "epoch": epoch + 1,
            "lr": float(np.asarray(self.model.optimizer.learning_rate)),
            **{name: float(value) for name, value in logs.items()},
            "train_seconds": round(seconds, 3),
            "images_per_second": round(images / seconds, 3) if seconds else float("nan"),
        }
        self._clock.rows.append(row)
        self._write()
        validated = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
        self._log.metrics("val", epoch + 1, validated)

    def _write(self) -> None:
        rows = self._clock.rows
        if not rows:
            return
        table, curves = self._folder / HISTORY, self._folder / CURVES
        with self._extras.writing(table):
            history.write_csv(table, rows)
        with self._extras.writing(curves):
            plots.draw_curves(rows, curves, monitor=self._monitor)


class CheckpointSaver(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch; must come after the recorder."""

    def __init__(self, clock: Clock, *, store: CheckpointStore, log: EventLog, monitor: str = history.MONITOR):
        """Takes where the checkpoints go and the column that makes one the best."""
        super().__init__()
        self._clock, self._store, self._log, self._monitor = clock, store, log, monitor

    def on_epoch_end(self, epoch, logs=None):
        """Saves, and reports it."""
        rows = self._clock.rows
        is_best = history.best_index(rows, monitor=self._monitor) in (None, len(rows) - 1)
        folder = self._store.save_epoch(self._clock.snapshot(epoch_complete=True), best=is_best)
        self._log.checkpoint(
            id=epoch,
            subdir=folder.name,
            sizeb=checkpoint.size_of(folder),
            best_now=is_best,
            loss=rows[-1].get("val_loss", float("nan")),
        )


class EarlyStop(keras.callbacks.Callback):
    """Ends the run when the history shows no gain for some epochs; it has no state of its own to resume."""

    def __init__(self, clock: Clock, *, monitor: str, patience: int, min_delta: float, log: EventLog):
        """Takes the rule; see `history.epochs_without_gain`."""
        super().__init__()
        self._clock, self._log = clock, log
        self._monitor, self._patience, self._min_delta = monitor, patience, min_delta

    @property
    def is_due(self) -> bool:
        """Whether the history already says to stop."""
        return self._waited() >= self._patience

    def on_epoch_end(self, epoch, logs=None):
        """Asks Keras to stop where the rule says so."""
        if self.is_due:
            self._log.info(f"early stopping: `{self._monitor}` did not get better for {self._waited()} epochs")
            self.model.stop_training = True

    def _waited(self) -> int:
        rows = self._clock.rows
        return history.epochs_without_gain(rows, monitor=self._monitor, min_delta=self._min_delta) if rows else 0


class SignalStop(keras.callbacks.Callback):
    """Saves and ends the run after a signal; must be the last callback."""

    def __init__(self, clock: Clock, *, request: StopRequest, store: CheckpointStore, log: EventLog):
        """Takes who hears the signal and where the run is saved."""
        super().__init__()
        self._clock, self._request, self._store, self._log = clock, request, store, log

    def check(self) -> None:
        """Does nothing, or saves where the run stands and ends it.

        Raises:
            Stopped: a signal came.
        """
        if self._request.signum is None:
            return
        clock = self._clock
        self._log.info(f"stopping: saving epoch {clock.epoch + 1} step {clock.step} of {clock.steps_per_epoch}")
        self._end(self._store.save_stopped(clock.snapshot()))

    def on_train_batch_end(self, batch, logs=None):
        """Checks between two steps."""
        self.check()

    def on_epoch_end(self, epoch, logs=None):
        """Checks after the epoch's checkpoint is written."""
        if self._request.signum is not None:
            self._end(self._store.root / checkpoint.LAST)

    def _end(self, folder: Path) -> None:
        self._log.close()
        self._log.warning(f"stopped by a signal; {folder} holds the run, `train.py --resume` goes on from there")
        raise Stopped(self._request.signum or 0)
