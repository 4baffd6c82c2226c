"""Keeps an exponential moving average (EMA) of the trained weights, which validation and checkpoints use.

Keras's own (`use_ema` of an optimizer) does not fit: it overwrites the weights at the end of each `fit`, of which a
resumed run has two, and counts the steps of an accumulated update.
"""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from mrcnn.train import state as states
from mrcnn.train.engine.current import engine


class Averages:
    """Moving averages of variables.

    After each update `average = momentum * average + (1 - momentum) * weight`.
    """

    def __init__(self, variables: Sequence[keras.Variable], *, momentum: float):
        """Starts with the variables' values as averages.

        Args:
            variables: Keras variables, float32.
            momentum: share of the average that an update keeps, between 0 and 1.
        """
        self._variables = list(variables)
        # the averages; inside `applied` the weights themselves, while the variables hold the averages
        self._others = engine.shadows(self._variables, momentum=momentum)
        self._is_applied = False

    def update(self) -> None:
        """Moves the averages towards the variables; call it after each update of these, outside `applied`."""
        self._others.move()

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Context in which the variables hold the averages; inside itself it changes nothing."""
        if self._is_applied:
            yield
            return
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def weights(self) -> tuple[np.ndarray, ...]:
        """Copies the weights that training goes on with, inside `applied` as well."""
        return self._others.values() if self._is_applied else states.values_of(self._variables)

    def _exchange(self) -> None:
        self._others.exchange()
        self._is_applied = not self._is_applied


class AverageUpdate(keras.callbacks.Callback):
    """Updates the averages after each step in which the optimizer changed the weights.

    Must come before the callbacks that save.
    """

    def __init__(self, averages: Averages):
        """Stores the averages."""
        super().__init__()
        self._averages = averages
        self._updates: int | None = None

    def on_train_begin(self, logs=None):
        """Reads the number of updates so far, which is not 0 in a resumed run."""
        self._updates = self._count()

    def on_train_batch_end(self, batch, logs=None):
        """Updates the averages unless the step was accumulated, or skipped since a scaled loss overflowed."""
        engine.sync(self.model)
        count = self._count()
        if count != self._updates:
            self._updates = count
            self._averages.update()

    def _count(self) -> int:
        return int(self.model.optimizer.iterations.numpy())
