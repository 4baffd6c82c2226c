"""Where the run stands; every other callback reads it here, and it is what a resumed run puts back."""

from typing import Any

import keras
import numpy as np

from mrcnn.train import state as states
from mrcnn.train.state import TrainingState


class Clock(keras.callbacks.Callback):
    """Counts epochs and steps; must be the first callback.

    Attributes:
        epoch: the epoch in progress, from 0; also how many are complete.
        step: how many of its steps are made.
        steps_per_epoch: how many it has.
        rows: the history, one per complete epoch.
        batch: the measurements of the newest batch alone; Keras gives the means of the epoch so far.
    """

    def __init__(self, start: TrainingState):
        """Begins where `start` says; its optimizer variables are not looked at."""
        super().__init__()
        self._start: TrainingState | None = start
        self._train_images, self._seed = start.train_images, start.seed
        self.epoch = start.epoch
        self.step = start.step
        self.steps_per_epoch = start.steps_per_epoch
        self.rows: list[dict[str, Any]] = list(start.rows)
        self.batch: dict[str, float] = {}
        self._sums: dict[str, float] = {}

    @property
    def fraction(self) -> float:
        """Epochs made, with the share of the one in progress, as the events report it."""
        return self.epoch + self.step / self.steps_per_epoch

    def snapshot(self, *, epoch_complete: bool = False) -> TrainingState:
        """Writes down where the run stands: in the middle of an epoch, or after the one in progress."""
        return TrainingState(
            epoch=self.epoch + epoch_complete,
            step=0 if epoch_complete else self.step,
            steps_per_epoch=self.steps_per_epoch,
            train_images=self._train_images,
            seed=self._seed,
            rows=tuple(self.rows),
            optimizer=states.values_of(self.model.optimizer.variables),
            metrics=() if epoch_complete else states.values_of(self.model.metrics_variables),
        )

    def on_epoch_begin(self, epoch, logs=None):
        """Starts an epoch; the first one of a resumed run in its middle, with the means it had."""
        self.epoch, self.step, self._sums = epoch, 0, {}
        start, self._start = self._start, None
        if start is not None and start.step:
            states.put_back(self.model.metrics_variables, start.metrics, what="metric")
            self.step = start.step
            means = self.model.get_metrics_result()
            self._sums = {name: float(np.asarray(mean)) * self.step for name, mean in means.items()}

    def on_train_batch_end(self, batch, logs=None):
        """Counts a step and takes the batch's own values out of the running means."""
        self.step += 1
        sums = {name: float(mean) * self.step for name, mean in (logs or {}).items()}
        self.batch = {name: total - self._sums.get(name, 0.0) for name, total in sums.items()}
        self._sums = sums
