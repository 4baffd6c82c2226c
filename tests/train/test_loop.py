import threading

import keras
import pytest

from mrcnn.data.thread_stream import EndlessBatches
from mrcnn.train import loop
from mrcnn.train.clock import Clock

from . import fake


class Diary(keras.callbacks.Callback):
    def __init__(self, clock, stop_after=None):
        super().__init__()
        self.clock, self.lines, self.stop_after = clock, [], stop_after

    def on_train_batch_end(self, batch, logs=None):
        self.lines.append((self.clock.epoch, self.clock.step))

    def on_epoch_end(self, epoch, logs=None):
        self.lines.append(f"end {epoch}")
        assert logs["loss"] >= 0
        self.model.stop_training = epoch == self.stop_after


def run(state, *, epochs, stop_after=None):
    model = fake.compiled(0.01)
    opened = []

    def open_data(epoch, step):
        opened.append((epoch, step))
        return fake.open_data(epoch, step)

    clock = Clock(state)
    diary = Diary(clock, stop_after)
    loop.fit(model, open_data, clock=clock, callbacks=[clock, diary], epochs=epochs)
    return diary.lines, opened


@pytest.fixture
def metrics():
    model = fake.compiled(0.01)
    return tuple(variable.numpy() for variable in model.metrics_variables)


WHOLE = [(0, 1), (0, 2), (0, 3), "end 0", (1, 1), (1, 2), (1, 3), "end 1"]


def test_a_new_run_makes_every_step_once(make_state):
    assert run(make_state(), epochs=2) == (WHOLE, [(0, 0)])


def test_a_run_that_stopped_within_an_epoch_finishes_it_first(make_state, metrics):
    assert run(make_state(0, 2, metrics=metrics), epochs=2) == (WHOLE[2:], [(0, 2), (1, 0)])
    assert run(make_state(1, 1, metrics=metrics), epochs=2) == (WHOLE[5:], [(1, 1)])


def test_a_run_that_stopped_before_its_validation_makes_up_for_it(make_state, metrics):
    assert run(make_state(0, 3, metrics=metrics), epochs=2) == (WHOLE[3:], [(1, 0)])


def test_a_run_that_stopped_between_epochs_begins_the_next(make_state):
    assert run(make_state(1), epochs=2) == (WHOLE[4:], [(1, 0)])


def test_a_callback_ends_it_also_after_the_first_partial_epoch(make_state, metrics):
    assert run(make_state(), epochs=3, stop_after=0)[0] == WHOLE[:4]
    assert run(make_state(0, 2, metrics=metrics), epochs=3, stop_after=0)[0] == WHOLE[2:4]
    assert run(make_state(0, 3, metrics=metrics), epochs=3, stop_after=0)[0] == WHOLE[3:4]


class Broken(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise OSError("disk full")


def test_a_run_that_fails_ends_the_threads_of_its_data(make_state):
    given, before = fake.make_batch(0), set(threading.enumerate())
    spec = {name: (value.shape[1:], value.dtype.type) for name, value in given.items()}

    def open_data(epoch, step):
        return EndlessBatches(
            lambda position: [value[0] for value in given.values()], spec, start=0, batch_size=2, workers=2
        )

    clock = Clock(make_state())
    with pytest.raises(OSError, match="disk full"):
        loop.fit(fake.compiled(0.01), open_data, clock=clock, callbacks=[clock, Broken()], epochs=1)
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("ahead")}
