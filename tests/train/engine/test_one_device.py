"""The engine for JAX and PyTorch, which needs Keras alone; tests/backends trains with it on both."""

import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from mrcnn.data import streams
from mrcnn.data.thread_stream import EndlessBatches
from mrcnn.errors import UserError
from mrcnn.train.engine import one_device as engine
from tests.train import fake


def variable(*values):
    return keras.Variable(np.float32(values))


def test_shadows_of_two_updates():
    weight = variable(1, 2)
    shadows = engine.shadows([weight], momentum=0.9)
    for value in ((0.9, 3), (0.8, 1)):
        weight.assign(value)
        shadows.move()
    # 0.9 * 1 + 0.1 * 0.9 = 0.99, then 0.9 * 0.99 + 0.1 * 0.8 = 0.971; 2.1, then 0.9 * 2.1 + 0.1 * 1 = 1.99
    np.testing.assert_allclose(shadows.values()[0], (0.971, 1.99), rtol=1e-6)
    shadows.exchange()
    np.testing.assert_allclose(weight.numpy(), (0.971, 1.99), rtol=1e-6)
    np.testing.assert_array_equal(shadows.values()[0], np.float32((0.8, 1)))
    shadows.exchange()
    np.testing.assert_array_equal(weight.numpy(), np.float32((0.8, 1)))
    np.testing.assert_allclose(shadows.values()[0], (0.971, 1.99), rtol=1e-6)


def test_shadows_of_nothing():
    shadows = engine.shadows([], momentum=0.5)
    shadows.move()
    shadows.exchange()
    assert shadows.values() == ()


def test_input_wait_counts_the_fetches_alone(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: now[0]))

    class Slow(keras.utils.PyDataset):
        num_batches = None

        def __getitem__(self, index):
            now[0] += 3.0
            return {"a": np.float32([index])}

    wait = engine.input_wait()
    data = wait.measured(Slow())
    assert isinstance(data, keras.utils.PyDataset)
    assert data.num_batches is None
    for index in range(3):
        assert data[index]["a"].tolist() == [index]
        now[0] += 100.0
    assert wait.seconds == 3 * 3.0


def test_repeated_is_endless():
    data = engine.repeated({"a": np.float32([1])})
    assert data.num_batches is None
    assert data[0] is data[9]


def test_sync_asks_jax_alone():
    calls = []
    engine.sync(SimpleNamespace(jax_state_sync=lambda: calls.append(1)))
    engine.sync(SimpleNamespace())
    assert calls == [1]


def test_validator_is_the_validation_of_the_model():
    model = fake.FakeMaskRCNN()
    validate = engine.validator(model, None)
    for size in (2, 1):
        batch = fake.make_batch(size, size=size)
        losses, raw = validate(batch)
        expected, found = model.validate({name: keras.ops.convert_to_tensor(value) for name, value in batch.items()})
        assert losses == pytest.approx(
            {name: float(keras.ops.convert_to_numpy(value)) for name, value in expected.items()}
        )
        np.testing.assert_array_equal(raw.boxes, keras.ops.convert_to_numpy(found.boxes))
        assert isinstance(raw.masks, np.ndarray)


def test_fit_measures_its_batches():
    spec = {name: (value.shape[1:], value.dtype.type) for name, value in fake.make_batch(0).items()}
    given = fake.make_batch(0, size=9)

    def load(position):
        read.append(position)
        return [value[position % 9] for value in given.values()]

    read, before = [], set(threading.enumerate())
    wait, model = engine.input_wait(), fake.compiled()
    data = EndlessBatches(load, spec, start=0, batch_size=3, workers=2)
    measured = wait.measured(data)
    history = model.fit(measured, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0).history
    assert len(history["loss"]) == 2
    assert wait.seconds > 0
    assert sorted(set(read))[:18] == list(range(18))  # 2 x 3 batches of 3; Keras reads the first one twice
    streams.close(measured)
    assert not {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("ahead")}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: engine.mirrored(["GPU:0", "GPU:1"]), "several devices need TensorFlow, .*: list one GPU"),
        (lambda: engine.joined(("a:1", "b:1"), 0), "training in several processes needs TensorFlow"),
        (lambda: engine.exchange(None), "training in several processes needs TensorFlow"),
        (lambda: engine.step_function(None, None), "training in several processes needs TensorFlow"),
        (lambda: engine.on_all_devices(print), "`optimizer.accumulation_steps` needs TensorFlow"),
    ],
)
def test_what_needs_tensorflow(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_sum_over_devices_changes_nothing():
    assert engine.sum_over_devices([1, 2]) == [1, 2]
