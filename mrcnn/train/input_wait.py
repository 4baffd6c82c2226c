"""Reports the share of training time that is spent waiting for batches.

With several devices it is an upper bound; see `engine.tensorflow.InputWait`.
"""

import time

import keras

from mrcnn.events import EventLog
from mrcnn.train.engine.interface import InputWait

COLUMN = "input_wait"  # in the logs and the history
LEAST_LOGGED = 0.05  # share of the time from which a line is logged


class InputWaitReport(keras.callbacks.Callback):
    """Adds the share of an epoch's training time spent waiting to its logs, and logs a large one.

    The first step after a start does not count: it builds the graph, or opens the data. Must come before the callbacks
    that use the logs.
    """

    def __init__(self, wait: InputWait, *, log: EventLog):
        """Stores the measurement and the log."""
        super().__init__()
        self._wait, self._log = wait, log
        self._is_first = True
        self._began = self._ended = (0.0, 0.0)  # time and seconds waited

    def on_train_begin(self, logs=None):
        """Expects a first step."""
        self._is_first = True

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the measurement of the epoch."""
        self._began = self._ended = self._now()

    def on_train_batch_end(self, batch, logs=None):
        """Notes the end of a step."""
        self._ended = self._now()
        if self._is_first:
            self._is_first, self._began = False, self._ended

    def on_epoch_end(self, epoch, logs=None):
        """Adds `input_wait` to the logs and logs it if it is more than 5 %; nothing without a second step."""
        (began, before), (ended, after) = self._began, self._ended
        if ended == began:
            return
        share = round((after - before) / (ended - began), 4)
        if logs is not None:
            logs[COLUMN] = share
        if share > LEAST_LOGGED:
            self._log.info(f"epoch {epoch + 1}: {share:.0%} of the training time was spent waiting for images")

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), self._wait.seconds
