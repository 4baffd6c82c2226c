import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.train import optimizer

ROOT = Path(__file__).resolve().parents[2]

COMPARE = """
import json, sys
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
sys.path.insert(0, "tests/train")
import fake
from mrcnn.train import devices, optimizer

def train(names, clip, scale):
    chosen = devices.use(names)
    keras.utils.set_random_seed(3)
    with chosen.scope():
        model = fake.FakeMaskRCNN()
        devices.attach(model, chosen)
        made = optimizer.build_optimizer(0.05, global_clipnorm=clip, num_replicas=chosen.count, loss_scale=scale)
        model.compile(optimizer=made, jit_compile=False, auto_scale_loss=False)
        made.build(model.trainable_variables)
    history = model.fit(fake.open_data(0, 0), epochs=1, steps_per_epoch=3, verbose=0, shuffle=False).history
    weights = np.concatenate([v.numpy().ravel() for v in model.weights])
    return history, weights, int(made.iterations.numpy())

found = []
for clip, scale in ((0.05, False), (None, False), (0.05, True)):
    one, two = (train(names, clip, scale) for names in (["CPU:0"], ["CPU:0", "CPU:1"]))
    found.append({
        "one": one[0], "two": two[0], "steps": [one[2], two[2]], "moved": float(np.abs(one[1]).max()),
        "difference": float(np.abs(one[1] - two[1]).max()),
    })
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def compared():
    """Trains a small model on one and on two logical devices with the same global batches."""
    done = subprocess.run([sys.executable, "-c", COMPARE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", range(3), ids=["clipped", "free", "clipped, scaled loss"])
def test_two_devices_equal_one(compared, case):
    found = compared[case]
    assert found["difference"] < 1e-5 * found["moved"]
    assert found["steps"] == [3, 3]
    for name, values in found["one"].items():
        np.testing.assert_allclose(found["two"][name], values, rtol=1e-5, err_msg=name)


def test_the_comparison_would_see_a_difference(compared):
    clipped, free = compared[0]["one"]["loss"][-1], compared[1]["one"]["loss"][-1]
    assert abs(clipped - free) > 0.01 * abs(free)  # the clipping counts in these batches


def apply_once(made, gradient):
    variable = keras.Variable(np.zeros(2, np.float32))
    made.build([variable])
    made.apply([np.float32(gradient)])
    return variable.numpy()


def test_build_optimizer_gradients_are_clipped_by_their_global_norm():
    # norm of (30, 40) is 50, so the step is 0.1 * (30, 40) * 5 / 50
    np.testing.assert_allclose(apply_once(optimizer.build_optimizer(0.1), (30, 40)), (-0.3, -0.4), rtol=1e-6)
    np.testing.assert_allclose(
        apply_once(optimizer.build_optimizer(0.1, global_clipnorm=None), (30, 40)), (-3, -4), rtol=1e-6
    )


def test_build_optimizer_scaled_loss_is_unscaled_before_the_clipping():
    made = optimizer.build_optimizer(0.1, loss_scale=True)
    scale = 2.0**15
    # unscaled the gradient is (3, 4) of norm 5: at the limit, not clipped
    np.testing.assert_allclose(apply_once(made, (3 * scale, 4 * scale)), (-0.3, -0.4), rtol=1e-6)


def test_shared_loss_scale_gradient_that_overflowed_moves_nothing_but_the_scale():
    made = optimizer.build_optimizer(0.1, loss_scale=True)
    np.testing.assert_array_equal(apply_once(made, (np.inf, 1.0)), (0, 0))
    assert float(made.dynamic_scale.numpy()) == 2.0**14


def test_shared_sgd_shared_form_on_one_device_equals_the_plain_one():
    assert isinstance(optimizer.build_optimizer(0.1, num_replicas=2), optimizer.SharedSGD)
    assert type(optimizer.build_optimizer(0.1)) is keras.optimizers.SGD
    shared = optimizer.SharedSGD(0.1, momentum=0.9, global_clipnorm=5.0)
    np.testing.assert_allclose(apply_once(shared, (30, 40)), (-0.3, -0.4), rtol=1e-6)


def test_build_optimizer_settings_reach_the_optimizer():
    made = optimizer.build_optimizer(0.5, momentum=0.8, nesterov=True, global_clipnorm=2.0, weight_decay=0.01)
    kept = made.get_config()
    assert (kept["momentum"], kept["nesterov"], kept["global_clipnorm"], kept["weight_decay"]) == (0.8, True, 2.0, 0.01)
    adam = optimizer.build_optimizer(0.5, name="adam", momentum=0.8)
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.beta_1, adam.weight_decay) == (0.8, None)
    assert isinstance(optimizer.build_optimizer(0.5, name="adamw", weight_decay=0.1), keras.optimizers.AdamW)


def test_a_variable_without_gradient_is_passed_over():
    assert optimizer._mean_over_devices([None]) == [None]
