"""Keras callbacks that report, record, save and stop a run; `fit.py` sets their order.

All read the run's position from the `Clock`, which is called before them, and the validation's figures from the logs.
Of Keras's own only TensorBoard is used: `EarlyStopping` forgets its count on a resume, `CSVLogger` appends and would
keep the rows of repeated epochs, `ModelCheckpoint` and `BackupAndRestore` do not replace a folder atomically, and
`TerminateOnNaN` sees the epoch's mean and names no images.
"""

import time
from pathlib import Path

import keras

from mrcnn import optional
from mrcnn.events import EventLog, figures
from mrcnn.train import checkpoint, history
from mrcnn.train.checkpoint import CheckpointStore
from mrcnn.train.clock import Clock
from mrcnn.train.engine.current import engine
from mrcnn.train.forecast import Forecast, duration
from mrcnn.train.interrupt import Stopped, StopRequest
from mrcnn.train.optional_files import OptionalFiles
from mrcnn.train.workers.followers import AgreedRequest, Unwritten

HISTORY = "history.csv"
CURVES = "curves.png"
SHORTEST_FORECAST = 60.0  # seconds; no forecast is logged for a shorter run
LONG_RUN = 3600.0  # seconds; the forecast of a run at least this long includes the advice


def _reported(model: keras.Model) -> tuple[str, ...]:
    """Lists the losses that are logged after every batch; the others are in the history."""
    return ("loss", *model.loss_names)


class ProgressReport(keras.callbacks.Callback):
    """Logs the progress, the losses of every step and a forecast of the duration."""

    def __init__(self, clock: Clock, *, batch_size: int, log: EventLog, forecast: Forecast, advice: str = ""):
        """Stores the settings.

        Args:
            clock: the run's position, in epochs and steps.
            batch_size: images of a step, over all devices.
            log: receives the reports.
            forecast: estimates this run's duration.
            advice: text after the forecast of a long run.
        """
        super().__init__()
        self._clock, self._batch_size, self._log = clock, batch_size, log
        self._forecast, self._advice = forecast, advice
        self._ended: float | None = None  # time at the end of the last step
        self._is_first, self._is_forecast_logged = True, False

    def on_epoch_begin(self, epoch, logs=None):
        """Shows the progress bar before the epoch's first step."""
        if self._ended is not None:
            self._forecast.add_epoch_end(epoch - 1, time.monotonic() - self._ended)
        self._ended = None
        if self._is_first:
            self._is_first = False
            self._log.info(engine.FIRST_STEP)
        self._report()

    def on_train_batch_end(self, batch, logs=None):
        """Logs the losses of the newest batch and the progress."""
        now = time.monotonic()
        if self._ended is not None:
            self._forecast.add_step(now - self._ended)
        self._ended = now
        values = self._clock.batch
        self._log.metrics(
            "train", self._clock.fraction, {name: values[name] for name in _reported(self.model) if name in values}
        )
        self._report()

    def _report(self) -> None:
        clock = self._clock
        done, total = (steps * self._batch_size for steps in (clock.step, clock.steps_per_epoch))
        left = self._forecast.seconds_left(clock.epoch, clock.step)
        epochs = self._forecast.epochs
        if left is not None and not self._is_forecast_logged:
            self._is_forecast_logged = True
            self._log_forecast(left, epochs - clock.epoch)
        self._log.progress(f"epoch {clock.epoch + 1}/{epochs}, images", done, total, left=left)

    def _log_forecast(self, left: float, epochs: int) -> None:
        """Logs the forecast of the remaining time, unless it is below `SHORTEST_FORECAST`."""
        if left >= SHORTEST_FORECAST:
            advice = self._advice if left >= LONG_RUN else ""
            self._log.info(f"the run takes about {duration(left)} more, {epochs} epochs with validation{advice}")


class Recorder(keras.callbacks.Callback):
    """Adds each epoch to the history and writes `history.csv` and `curves.png`.

    Must come after the validation.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        folder: Path,
        batch_size: int,
        log: EventLog,
        optional_files: OptionalFiles,
        monitor: str = history.MONITOR,
    ):
        """Stores the settings and loads the plots where matplotlib is installed.

        Args:
            clock: the run's position.
            folder: where the files are written.
            batch_size: images of a step, over all devices.
            log: receives each epoch's figures.
            optional_files: writes the files without ending the run on an error.
            monitor: the column that decides which epoch is best.
        """
        super().__init__()
        self._clock, self._folder, self._batch_size, self._log = clock, folder, batch_size, log
        self._monitor = monitor
        self._optional_files = optional_files
        has_plots = not optional.missing("plots")
        self._plots = optional.load("mrcnn.train.plots", extra="plots", purpose=CURVES) if has_plots else None
        self._began, self._first_step, self._ended = 0.0, 0, 0.0

    def on_train_begin(self, logs=None):
        """Writes the rows so far, which drops rows of epochs that a resumed run repeats."""
        self._write()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the measurement of the epoch's speed."""
        self._began = self._ended = time.monotonic()
        self._first_step = self._clock.step

    def on_train_batch_end(self, batch, logs=None):
        """Records the step's end, so that validation does not count as training time."""
        self._ended = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Adds the epoch's row to the history, writes the files and logs the figures."""
        logs = logs if logs is not None else {}
        seconds = self._ended - self._began
        images = (self._clock.step - self._first_step) * self._batch_size
        row = {
            "epoch": epoch + 1,
            "lr": float(keras.ops.convert_to_tensor(self.model.optimizer.learning_rate)),
            **{name: float(value) for name, value in logs.items()},
            "train_seconds": round(seconds, 3),
            "images_per_second": round(images / seconds, 3) if seconds else float("nan"),
        }
        self._clock.rows.append(row)
        self._write()
        validated = {name.removeprefix("val_"): value for name, value in row.items() if name.startswith("val_")}
        training = {name: row[name] for name in _reported(self.model) if name in row}
        if validated:
            self._log.metrics("val", epoch + 1, validated, training=training)
        else:
            self._log.info(f"epoch {epoch + 1} train: {figures(training)}")

    def _write(self) -> None:
        rows = self._clock.rows
        if not rows:
            return
        table, curves = self._folder / HISTORY, self._folder / CURVES
        with self._optional_files.writing(table):
            history.write_csv(table, rows)
        if self._plots:
            with self._optional_files.writing(curves):
                self._plots.draw_curves(rows, curves, monitor=self._monitor, labels=self.model.loss_labels)


class CheckpointSaver(keras.callbacks.Callback):
    """Writes a checkpoint after every epoch; must come after the recorder."""

    def __init__(
        self, clock: Clock, *, store: CheckpointStore | Unwritten, log: EventLog, monitor: str = history.MONITOR
    ):
        """Stores the settings.

        Args:
            clock: the run's position and history.
            store: writes the checkpoints.
            log: receives a report of each checkpoint.
            monitor: the column that decides which checkpoint is best.
        """
        super().__init__()
        self._clock, self._store, self._log, self._monitor = clock, store, log, monitor

    def on_epoch_end(self, epoch, logs=None):
        """Writes the epoch's checkpoint and logs it."""
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
    """Ends the run when the history shows no gain for some epochs.

    The callback has no state of its own, so resuming needs none.
    """

    def __init__(self, clock: Clock, *, monitor: str, patience: int | None, min_delta: float, log: EventLog):
        """Stores the rule.

        Args:
            clock: holds the history.
            monitor: the column whose gain counts.
            patience: epochs without a gain after which the run ends, see `history.epochs_without_gain`; None ends it
                when `history.is_flat`.
            min_delta: the least improvement that counts as a gain.
            log: receives the reason.
        """
        super().__init__()
        self._clock, self._log = clock, log
        self._monitor, self._patience, self._min_delta = monitor, patience, min_delta

    @property
    def is_due(self) -> bool:
        """Whether the rule ends the run now; False after an epoch without the monitored column."""
        rows = self._clock.rows
        if not rows or self._monitor not in rows[-1]:
            return False
        if self._patience is None:
            return history.is_flat(rows, monitor=self._monitor, min_delta=self._min_delta)
        return self._waited() >= self._patience

    def on_epoch_end(self, epoch, logs=None):
        """Sets Keras's `stop_training` when the rule is met."""
        if self.is_due:
            self._log.info(f"early stopping: `{self._monitor}` did not get better for {self._waited()} epochs")
            self.model.stop_training = True

    def _waited(self) -> int:
        return history.epochs_without_gain(self._clock.rows, monitor=self._monitor, min_delta=self._min_delta)


class SignalStop(keras.callbacks.Callback):
    """Saves and ends the run after a signal; must be the last callback."""

    def __init__(
        self,
        clock: Clock,
        *,
        request: StopRequest | AgreedRequest,
        store: CheckpointStore | Unwritten,
        log: EventLog,
    ):
        """Stores the settings.

        Args:
            clock: the run's position.
            request: records signals.
            store: saves the run.
            log: receives the messages, and is closed when the run ends.
        """
        super().__init__()
        self._clock, self._request, self._store, self._log = clock, request, store, log

    def check(self) -> None:
        """Saves and ends the run if a signal came; does nothing otherwise.

        Raises:
            Stopped: a signal came.
        """
        if self._request.signum is None:
            return
        clock = self._clock
        self._log.info(f"stopping: saving epoch {clock.epoch + 1} step {clock.step} of {clock.steps_per_epoch}")
        self._end(self._store.save_stopped(clock.snapshot()))

    def on_train_batch_end(self, batch, logs=None):
        """Checks for a signal after each step."""
        self.check()

    def on_epoch_end(self, epoch, logs=None):
        """Ends the run after a signal; the epoch's checkpoint is already written."""
        if self._request.signum is not None:
            self._end(self._store.root / checkpoint.LAST)

    def _end(self, folder: Path) -> None:
        self._log.close()
        self._log.warning(f"stopped by a signal; {folder} holds the run, `train.py --resume` goes on from there")
        raise Stopped(self._request.signum or 0)
