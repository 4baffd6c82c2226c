"""Position of a run in epochs and steps, shared by callbacks and restored on resuming."""

from dataclasses import replace
from typing import Any

import keras

from mrcnn.train import state as states
from mrcnn.train.engine.current import engine
from mrcnn.train.state import TrainingState


class Clock(keras.callbacks.Callback):
    """Counts epochs and steps; must be the first callback.

    Attributes:
        epoch: the epoch in progress, from 0; equals the number of complete epochs.
        step: how many steps of that epoch are complete.
        steps_per_epoch: how many steps an epoch has.
        rows: the history, one row per complete epoch.
        batch: the measurements of the newest batch alone; Keras's logs hold the means of the epoch so far.
    """

    def __init__(self, start: TrainingState):
        """Starts at the position of `start`, whose optimizer variables are not used."""
        super().__init__()
        self._start: TrainingState | None = start
        self._run = replace(start, rows=(), optimizer=(), metrics=())  # what does not change in a run
        self.epoch = start.epoch
        self.step = start.step
        self.steps_per_epoch = start.steps_per_epoch
        self.rows: list[dict[str, Any]] = list(start.rows)
        self.batch: dict[str, float] = {}
        self._sums: dict[str, float] = {}

    @property
    def fraction(self) -> float:
        """Complete epochs plus the fraction of the one in progress, as in the event log."""
        return self.epoch + self.step / self.steps_per_epoch

    def snapshot(self, *, epoch_complete: bool = False) -> TrainingState:
        """Builds the training state of the run's position.

        Args:
            epoch_complete: whether the epoch in progress counts as complete; else the state is in the middle of it.
        """
        engine.sync(self.model)
        return replace(
            self._run,
            epoch=self.epoch + epoch_complete,
            step=0 if epoch_complete else self.step,
            rows=tuple(self.rows),
            optimizer=states.values_of(self.model.optimizer.variables),
            metrics=() if epoch_complete else states.values_of(self.model.metrics_variables),
        )

    def on_epoch_begin(self, epoch, logs=None):
        """Resets the step count; a resumed run's first epoch restores step and running means."""
        self.epoch, self.step, self._sums = epoch, 0, {}
        start, self._start = self._start, None
        if start is not None and start.step:
            states.put_back(self.model.metrics_variables, start.metrics, what="metric")
            self.step = start.step
            means = self.model.get_metrics_result()
            self._sums = {name: float(mean) * self.step for name, mean in means.items()}

    def on_train_batch_end(self, batch, logs=None):
        """Counts a step and computes the batch's own values from the running means."""
        self.step += 1
        sums = {name: float(mean) * self.step for name, mean in (logs or {}).items()}
        self.batch = {name: total - self._sums.get(name, 0.0) for name, total in sums.items()}
        self._sums = sums
