import keras
import numpy as np
import pytest

from mrcnn.train import loop
from mrcnn.train.clock import Clock

from . import fake


class Probe(keras.callbacks.Callback):
    """Keeps each batch's own loss, the running mean, and what the clock says."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.own, self.means, self.fractions, self.states = clock, [], [], [], {}

    def on_train_batch_end(self, batch, logs=None):
        self.own.append(self.clock.batch["loss"])
        self.means.append(logs["loss"])
        self.fractions.append(self.clock.fraction)
        self.states[self.clock.epoch, self.clock.step] = self.clock.snapshot()


@pytest.fixture
def trained(make_state):
    def train(state, model=None, epochs=2):
        keras.utils.set_random_seed(1)
        model = model or fake.compiled(0.01)
        clock = Clock(state)
        probe = Probe(clock)
        loop.fit(model, fake.open_data, clock=clock, callbacks=[clock, probe], epochs=epochs)
        return model, probe

    return train


def test_each_batch_has_its_own_values(trained, make_state):
    _, probe = trained(make_state(), epochs=1)
    # a running mean of 3 is the mean of the three own values
    np.testing.assert_allclose(np.cumsum(probe.own) / (1, 2, 3), probe.means, rtol=1e-5)
    assert len(set(probe.own)) == 3


def test_the_fraction_counts_epochs(trained, make_state):
    _, probe = trained(make_state())
    np.testing.assert_allclose(probe.fractions, np.arange(1, 7) / 3)


def test_a_resumed_epoch_has_the_means_of_the_whole_epoch(trained, make_state):
    model, probe = trained(make_state())
    stopped = probe.states[1, 2]
    assert (stopped.epoch, stopped.step, len(stopped.metrics)) == (1, 2, 14)  # 7 means of two variables
    for variable, value in zip(model.optimizer.variables, stopped.optimizer, strict=True):
        variable.assign(value)
    other = fake.compiled(0.0)
    _, resumed = trained(stopped, model=other)
    # the two first batches of the epoch count with what they were, the third is the new model's
    expected = (2 * probe.means[4] + resumed.own[0]) / 3
    np.testing.assert_allclose(resumed.means, [expected], rtol=1e-5)
    assert resumed.fractions == [2.0]


def test_after_an_epoch_the_snapshot_is_at_the_next_ones_start(make_state):
    clock = Clock(make_state(rows=({"epoch": 1},)))
    model = fake.compiled(0.01)
    clock.set_model(model)
    clock.epoch, clock.step = 4, 3
    after = clock.snapshot(epoch_complete=True)
    assert (after.epoch, after.step, after.metrics, after.rows) == (5, 0, (), ({"epoch": 1},))
    assert len(after.optimizer) == len(model.optimizer.variables)
