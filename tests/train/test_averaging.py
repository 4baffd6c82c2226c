import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.train import averaging, optimizer
from mrcnn.train.averaging import Averages

ROOT = Path(__file__).resolve().parents[2]

COMPARE = """
import json, sys
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
sys.path.insert(0, "tests/train")
import fake
from mrcnn.train import averaging, devices, optimizer

found = []
for names in (["CPU:0"], ["CPU:0", "CPU:1"]):
    chosen = devices.use(names)
    keras.utils.set_random_seed(3)
    with chosen.scope():
        model = fake.FakeMaskRCNN()
        devices.attach(model, chosen)
        made = optimizer.build_optimizer(0.05, num_replicas=chosen.count)
        model.compile(optimizer=made, jit_compile=False, auto_scale_loss=False)
        made.build(model.trainable_variables)
    averages = averaging.Averages(model.trainable_variables, momentum=0.5)
    update = averaging.AverageUpdate(averages)
    model.fit(fake.open_data(0, 0), epochs=1, steps_per_epoch=3, verbose=0, shuffle=False, callbacks=[update])
    flat = lambda values: np.concatenate([np.ravel(value) for value in values]).tolist()
    with averages.applied():
        on_each = [flat([item.numpy() for item in chosen.strategy.experimental_local_results(variable.value)][-1]
                   for variable in model.trainable_variables) if chosen.strategy else []]
        found.append({"average": flat(model.get_weights()), "raw": flat(averages.weights()), "second": on_each[0]})
    found[-1]["after"] = flat(model.get_weights())
print(json.dumps(found))
"""


def variable(*values):
    return keras.Variable(np.float32(values), name="kernel")


def test_averages_of_two_updates():
    weight = variable(1, 2)
    averages = Averages([weight], momentum=0.9)
    for value in ((0.9, 3), (0.8, 1)):
        weight.assign(value)
        averages.update()
    # 0.9 * 1 + 0.1 * 0.9 = 0.99, then 0.9 * 0.99 + 0.1 * 0.8 = 0.971; 2.1, then 0.9 * 2.1 + 0.1 * 1 = 1.99
    with averages.applied():
        np.testing.assert_allclose(weight.numpy(), (0.971, 1.99), rtol=1e-6)
        np.testing.assert_array_equal(averages.weights()[0], np.float32((0.8, 1)))
        with averages.applied():  # inside itself it changes nothing
            np.testing.assert_allclose(weight.numpy(), (0.971, 1.99), rtol=1e-6)
        np.testing.assert_allclose(weight.numpy(), (0.971, 1.99), rtol=1e-6)
    np.testing.assert_array_equal(weight.numpy(), np.float32((0.8, 1)))
    np.testing.assert_array_equal(averages.weights()[0], np.float32((0.8, 1)))


def test_averages_are_taken_off_after_an_error():
    weight = variable(1)
    averages = Averages([weight], momentum=0.5)
    weight.assign([3])
    inside = []

    def fail():
        with averages.applied():
            inside.append(float(weight.numpy()[0]))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (inside, weight.numpy().tolist()) == ([1.0], [3.0])


def test_averages_equal_kerass_but_for_the_start():
    # Keras begins with the weights after the first update
    ours, theirs = variable(5), variable(5)
    made = keras.optimizers.SGD(0.1)
    kerass = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
    made.apply([np.float32([1])], [ours])
    kerass.apply([np.float32([1])], [theirs])
    averages = Averages([ours], momentum=0.8)
    for gradient in (2, -3, 4):
        made.apply([np.float32([gradient])], [ours])
        kerass.apply([np.float32([gradient])], [theirs])
        averages.update()
    kerass.finalize_variable_values([theirs])
    with averages.applied():
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


def test_averages_of_nothing():
    averages = Averages([], momentum=0.5)
    averages.update()
    with averages.applied():
        assert averages.weights() == ()


def test_average_update_leaves_out_steps_without_an_update():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(loss="mse", optimizer=optimizer.OwnSGD(0.5, accumulation_steps=2), run_eagerly=True)
    averages = Averages(model.trainable_variables, momentum=0.5)
    inputs, truth = np.ones((3, 1)), np.zeros((3, 1))
    model.fit(inputs, truth, batch_size=1, verbose=0, callbacks=[averaging.AverageUpdate(averages)])
    # one update in three steps: the gradient of w^2 at 1 is 2, so w = 1 - 0.5 * 2 = 0, and the average is 0.5 * 1
    assert float(averages.weights()[0][0, 0]) == 0
    with averages.applied():
        assert float(model.get_weights()[0][0, 0]) == 0.5


def test_averages_of_two_devices_equal_those_of_one():
    done = subprocess.run([sys.executable, "-c", COMPARE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = json.loads(done.stdout.splitlines()[-1])
    for name in ("average", "raw", "after"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6, err_msg=name)
    assert two["second"] == two["average"]  # the second device has the averages too
    assert one["after"] == one["raw"]
    assert np.abs(np.subtract(one["raw"], one["average"])).max() > 1e-3
