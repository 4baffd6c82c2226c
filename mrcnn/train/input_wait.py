"""Measures the share of training time that is spent waiting for batches.

Keras fetches a batch inside the graph of a step, so the measurement is part of the data set: the time is taken before
and after the fetch, without Python. With several devices, TensorFlow fetches batches ahead for each, and the fetches
that fill this buffer count although no step waits for them: the share is an upper bound then.
"""

import time

import keras
import numpy as np
import tensorflow as tf

from mrcnn.events import EventLog

COLUMN = "input_wait"  # in the logs and the history
LEAST_LOGGED = 0.05  # share of the time from which a line is logged


class InputWait:
    """Adds up how long data sets were waited for."""

    def __init__(self) -> None:
        """Starts at 0 seconds."""
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    @property
    def seconds(self) -> float:
        """Seconds waited so far."""
        return float(self._seconds.numpy())

    def measured(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Makes a data set of the same elements that measures how long each fetch takes."""
        seconds = self._seconds

        def add(begin: tf.Tensor, element: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            with tf.control_dependencies(tf.nest.flatten(element)):
                added = seconds.assign_add(tf.timestamp() - begin)
            with tf.control_dependencies([added]):
                return tf.nest.map_structure(tf.identity, element)

        begins = tf.data.Dataset.range(np.iinfo(np.int64).max).map(lambda _: tf.timestamp())
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False  # fetched ahead, no time would be measured
        # a zipped data set fetches from its parts in their order
        return tf.data.Dataset.zip((begins, dataset)).map(add).with_options(options)


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
