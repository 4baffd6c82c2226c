"""The engine of TensorFlow; strategies of several devices are in the tests of what uses them."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.train.engine import tensorflow as engine
from mrcnn.train.engine.tensorflow import InputWait
from tests.train import fake


@pytest.fixture
def clock(monkeypatch):
    """Replaces TensorFlow's clock by one that stands still unless a test changes it."""
    now = np.zeros(1)

    def read():
        return now[0]

    def timestamp():
        return tf.ensure_shape(tf.numpy_function(read, [], tf.float64), [])

    monkeypatch.setattr(tf, "timestamp", timestamp)
    return now


def slow(clock, seconds):
    """Makes a data set whose every element takes a while to make."""

    def make(index):
        clock[0] += seconds
        return index

    def example(index):
        index = tf.numpy_function(make, [index], tf.int64)
        return {"index": index, "twice": 2 * index}

    return tf.data.Dataset.range(100).map(example)


def test_measured_gives_the_same_elements_and_adds_up_the_time_of_each_fetch(clock):
    wait = InputWait()
    assert wait.seconds == 0
    found = [(int(item["index"]), int(item["twice"])) for item in wait.measured(slow(clock, 3.0)).take(4)]
    assert found == [(0, 0), (1, 2), (2, 4), (3, 6)]
    assert wait.seconds == 4 * 3.0
    list(wait.measured(slow(clock, 0.5)).take(2))
    assert wait.seconds == 4 * 3.0 + 2 * 0.5


def test_measured_does_not_count_the_time_between_fetches(clock):
    wait = InputWait()
    for _ in wait.measured(slow(clock, 3.0)).take(3):
        clock[0] += 100.0
    assert wait.seconds == 3 * 3.0


def test_repeated_has_an_open_batch_axis():
    data = engine.repeated({"a": np.zeros((2, 3), np.float32)})
    assert data.element_spec["a"].shape.as_list() == [None, 3]
    assert [batch["a"].shape for batch in data.take(2)] == [(2, 3)] * 2


def test_sync_leaves_the_model_alone():
    assert engine.sync(None) is None


def test_sum_over_devices_on_one_device_changes_nothing():
    values = [tf.constant(1.0)]
    assert engine.sum_over_devices(values) is values
    assert engine.sum_over_devices([]) == []


def test_validator_is_one_graph_for_partial_batches():
    model, whole = fake.FakeMaskRCNN(), fake.make_batch(0, size=3)
    data = tf.data.Dataset.from_tensor_slices(whole).batch(2)
    validate = engine.validator(model, data)
    for batch in data:
        losses, raw = validate(batch)
        expected = float(model.validate({name: value.numpy() for name, value in batch.items()})[0]["loss"])
        assert losses["loss"] == pytest.approx(expected, rel=1e-5)
        assert isinstance(raw.boxes, np.ndarray)
