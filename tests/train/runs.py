"""Whole runs with the small model, for the tests of this package."""

import csv
import os
import signal

import numpy as np

from mrcnn.train import checkpoint
from mrcnn.train import state as states
from mrcnn.weights import hdf5

from .conftest import HeardLog

TIMES = ("train_seconds", "images_per_second", "input_wait", "memory_gb", "memory_peak_gb")


class SignalLog(HeardLog):
    """Sends this process a signal at the n-th event of a kind."""

    def __init__(self, kind, count, signum=signal.SIGTERM):
        super().__init__()
        self.kind, self.count, self.signum = kind, count, signum

    def emit(self, message, *, level="info", **fields):
        super().emit(message, level=level, **fields)
        if self.kind in (fields.get("type"), fields.get("subtask")):
            self.count -= 1
            if self.count == 0:
                os.kill(os.getpid(), self.signum)


def contents(output):
    """Reads what a stopped and resumed run must leave unchanged: last weights, state and history."""
    last = checkpoint.find_last(output)
    with hdf5.read_file(last / checkpoint.WEIGHTS) as file:
        weights = {name: value[()] for layer in file.layers.values() for name, value in layer.items()}
    state = states.read(last / states.FILE)
    with (output / "history.csv").open() as file:
        rows = [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]
    return last.name, weights, state, rows


def assert_same_run(one, two):
    name, weights, state, rows = contents(one)
    other_name, other_weights, other_state, other_rows = contents(two)
    assert (name, state.epoch, state.step) == (other_name, other_state.epoch, other_state.step)
    for key, value in weights.items():
        np.testing.assert_array_equal(other_weights[key], value, err_msg=key)
    for group in ("optimizer", "weights"):
        for value, other in zip(getattr(state, group), getattr(other_state, group), strict=True):
            np.testing.assert_array_equal(other, value)
    assert rows == other_rows
