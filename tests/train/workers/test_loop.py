"""The loop under a strategy of one device; real workers are in `test_two_workers.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.train.workers import loop
from mrcnn.train.workers.peers import ALONE, Peers
from tests.train import fake


class Diary(keras.callbacks.Callback):
    """Keeps what is called with which losses."""

    def __init__(self, stop_after=None):
        super().__init__()
        self.lines, self.losses, self.stop_after = [], [], stop_after

    def on_train_begin(self, logs=None):
        self.lines.append("begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.lines.append(f"epoch {epoch}")

    def on_train_batch_begin(self, batch, logs=None):
        self.lines.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(dict(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.lines.append(f"end {epoch}")
        logs["val_loss"] = 1.0  # as the validation does
        self.model.stop_training = epoch == self.stop_after

    def on_train_end(self, logs=None):
        self.lines.append("end")


class Still(keras.Model):
    """A model whose step learns nothing, for the order of the calls."""

    def train_step(self, data):
        return {"loss": tf.reduce_mean(data["images"])}


class Stopping(Peers):
    """A worker whose peer wants to end the training."""

    def most(self, number):
        return 1


def train(how, *, stop_after=None, epochs=2, make=fake.FakeMaskRCNN):
    keras.utils.set_random_seed(1)
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope():
        model = make()
        model.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9), jit_compile=False)
    diary, data = Diary(stop_after), fake.open_data(0, 0)
    if how == "fit":
        model.fit(data, epochs=epochs, steps_per_epoch=3, callbacks=[diary], shuffle=False, verbose=0)
    else:
        loop.fit(model, data, [diary], strategy=strategy, peers=how, epochs=range(epochs), steps=3)
    return diary, model.get_weights()


def test_fit_equals_that_of_keras():
    (diary, weights), (expected, expected_weights) = train(ALONE), train("fit")
    epoch = [0, 1, 2]
    assert diary.lines == ["begin", "epoch 0", *epoch, "end 0", "epoch 1", *epoch, "end 1", "end"]
    assert expected.lines == diary.lines
    for found, known in zip(diary.losses, expected.losses, strict=True):
        assert found == pytest.approx({name: float(value) for name, value in known.items()}, rel=1e-6)
    for found, known in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-6)


def test_fit_ends_where_a_callback_of_any_worker_wants_it():
    assert train(ALONE, stop_after=0, make=Still)[0].lines[-3:] == [2, "end 0", "end"]
    assert train(Stopping(), make=Still)[0].lines[-3:] == [2, "end 0", "end"]


def test_fit_no_epoch():
    assert train(ALONE, epochs=0, make=Still)[0].lines == ["begin", "end"]
