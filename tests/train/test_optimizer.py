import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.train import optimizer

DECOUPLED = optimizer.Decay(0.01)
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

reductions = []
reduce = tf.distribute.ReplicaContext.all_reduce
tf.distribute.ReplicaContext.all_reduce = lambda *args, **how: reductions.append(args) or reduce(*args, **how)

def train(names, clip, scale, decay, accumulation):
    chosen = devices.use(names)
    keras.utils.set_random_seed(3)
    with chosen.scope():
        model = fake.FakeMaskRCNN()
        devices.attach(model, chosen)
        made = optimizer.build_optimizer(
            0.05, global_clipnorm=clip, decay=optimizer.Decay(decay, "gradient"), num_replicas=chosen.count,
            loss_scale=scale, accumulation_steps=accumulation,
        )
        model.compile(optimizer=made, jit_compile=False, auto_scale_loss=False)
        made.build(model.trainable_variables)
    reductions.clear()
    history = model.fit(fake.open_data(0, 0), epochs=1, steps_per_epoch=4, verbose=0, shuffle=False).history
    weights = np.concatenate([v.numpy().ravel() for v in model.weights])
    large = [args for args in reductions if len(args[2]) > 1]  # of gradients; a count is reduced alone
    return history, weights, int(made.iterations.numpy()), len(large)

found = []
for how in (
    (0.05, False, 0, 1), (None, False, 0, 1), (0.05, True, 0, 1), (0.05, False, 4.0, 1), (0.05, True, 4.0, 1),
    (0.05, False, 4.0, 2), (0.05, True, 4.0, 2),
):
    one, two = (train(names, *how) for names in (["CPU:0"], ["CPU:0", "CPU:1"]))
    found.append({
        "one": one[0], "two": two[0], "steps": [one[2], two[2]], "moved": float(np.abs(one[1]).max()),
        "reductions": two[3],
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


CASES = (
    "clipped",
    "free",
    "clipped, scaled loss",
    "clipped, decayed",
    "clipped, decayed, scaled loss",
    "accumulated, clipped, decayed",
    "accumulated, clipped, decayed, scaled loss",
)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(7), ids=CASES)
def test_two_devices_equal_one(compared, case):
    found = compared[case]
    assert found["difference"] < 1e-5 * found["moved"]
    assert found["steps"] == ([2, 2] if case >= 5 else [4, 4])
    for name, values in found["one"].items():
        np.testing.assert_allclose(found["two"][name], values, rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("case", range(7), ids=CASES)
def test_gradients_are_sent_between_the_devices_once_in_a_step(compared, case):
    devices = 2
    assert compared[case]["reductions"] == devices  # one call of each while the step is traced


def test_the_comparison_would_see_a_difference(compared):
    clipped, free = compared[0]["one"]["loss"][-1], compared[1]["one"]["loss"][-1]
    assert abs(clipped - free) > 0.01 * abs(free)  # the clipping counts in these batches
    decayed = compared[3]["one"]["loss"][-1]
    assert abs(decayed - clipped) > 0.01 * abs(clipped)  # and so does the weight decay


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
    assert type(optimizer.build_optimizer(0.1)) is optimizer.OwnSGD  # on TensorFlow
    assert type(optimizer.build_optimizer(0.1, name="adam")) is keras.optimizers.Adam
    shared = optimizer.SharedSGD(0.1, momentum=0.9, global_clipnorm=5.0)
    np.testing.assert_allclose(apply_once(shared, (30, 40)), (-0.3, -0.4), rtol=1e-6)


def test_build_optimizer_is_keras_own_where_operations_run_in_order(monkeypatch):
    """On PyTorch Keras's own class updates all variables at once."""
    monkeypatch.setattr(optimizer.native, "RUNS_WHEN_READY", False)
    assert type(optimizer.build_optimizer(0.1)) is keras.optimizers.SGD
    assert type(optimizer.build_optimizer(0.1, accumulation_steps=2)) is optimizer.OwnSGD


@pytest.mark.parametrize("loss_scale", [False, True])
def test_build_optimizer_for_several_devices_survives_its_config(loss_scale):
    made = optimizer.build_optimizer(0.1, num_replicas=2, loss_scale=loss_scale)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    for each in (made, again):
        inner = each.inner_optimizer if loss_scale else each
        assert inner._all_reduce_sum_gradients("summed already") == "summed already"


def test_build_optimizer_settings_reach_the_optimizer():
    made = optimizer.build_optimizer(0.5, momentum=0.8, nesterov=True, global_clipnorm=2.0, decay=DECOUPLED)
    kept = made.get_config()
    assert (kept["momentum"], kept["nesterov"], kept["global_clipnorm"], kept["weight_decay"]) == (0.8, True, 2.0, 0.01)
    adam = optimizer.build_optimizer(0.5, name="adam", momentum=0.8)
    assert isinstance(adam, keras.optimizers.Adam)
    assert (adam.beta_1, adam.weight_decay) == (0.8, None)
    assert isinstance(optimizer.build_optimizer(0.5, name="adamw", decay=optimizer.Decay(0.1)), keras.optimizers.AdamW)


# torch 2.14.1, SGD(lr=0.1, momentum=0.9, weight_decay=0.01) and the same with nesterov=True; the bias has no decay.
# Step 1 by hand: gradient (0.5, 0.25) + 0.01 * (1, -2) = (0.51, 0.23); velocity -0.1 * that = (-0.051, -0.023);
# weights (1 - 0.051, -2 - 0.023) = (0.949, -2.023). Step 2: gradient (-0.1, 0.3) + 0.01 * (0.949, -2.023) =
# (-0.09051, 0.27977); velocity 0.9 * (-0.051, -0.023) - 0.1 * that = (-0.036849, -0.048677).
TORCH_STEPS = (((0.5, 0.25), (1.0,)), ((-0.1, 0.3), (0.2,)))
TORCH_SGD = {
    False: [((0.949, -2.023), (0.4,)), ((0.912151, -2.071677), (0.29,))],
    True: [((0.9031, -2.0437), (0.31,)), ((0.8790741, -2.115447), (0.191,))],
}


def run_steps(made_with, steps, **how):
    """Applies gradients of a kernel (1, -2) and a bias (0.5) and lists both after each step."""
    kernel = keras.Variable(np.float32([1, -2]), name="kernel")
    bias = keras.Variable(np.float32([0.5]), name="bias")
    left_out = optimizer.undecayed([kernel, bias], norms=True, biases=False)
    made = optimizer.build_optimizer(0.1, decay=optimizer.Decay(*made_with, left_out), **how)
    made.build([kernel, bias])
    found = []
    for gradients in steps:
        made.apply([np.float32(gradient) for gradient in gradients])
        found.append((kernel.numpy(), bias.numpy()))
    return found


@pytest.mark.parametrize("nesterov", [False, True])
def test_build_optimizer_decay_in_the_gradient_equals_torchs_sgd(nesterov):
    found = run_steps((0.01, "gradient"), TORCH_STEPS, nesterov=nesterov, global_clipnorm=None)
    for ours, torchs in zip(found, TORCH_SGD[nesterov], strict=True):
        np.testing.assert_allclose(ours[0], torchs[0], rtol=1e-6)
        np.testing.assert_allclose(ours[1], torchs[1], rtol=1e-6)


def test_build_optimizer_decoupled_decay_does_not_enter_the_momentum():
    (kernel, bias), *_ = run_steps((0.01, "decoupled"), TORCH_STEPS, global_clipnorm=None)
    # w - 0.1 * 0.01 * w - 0.1 * gradient = (0.999 - 0.05, -1.998 - 0.025)
    np.testing.assert_allclose(kernel, (0.949, -2.023), rtol=1e-6)
    np.testing.assert_allclose(bias, (0.4,), rtol=1e-6)
    second = run_steps((0.01, "decoupled"), TORCH_STEPS, global_clipnorm=None)[1][0]
    # 0.999 * 0.949 + 0.9 * -0.05 - 0.1 * -0.1 = 0.913051 and 0.999 * -2.023 + 0.9 * -0.025 - 0.1 * 0.3 = -2.073477
    np.testing.assert_allclose(second, (0.913051, -2.073477), rtol=1e-6)


@pytest.mark.parametrize("loss_scale", [False, True])
def test_build_optimizer_decay_in_the_gradient_is_neither_clipped_nor_scaled(loss_scale):
    scale = 2.0**15 if loss_scale else 1.0
    steps = [((3 * scale, 4 * scale), (0.0,)), ((0.0, 0.5 * scale), (0.0,))]
    found = run_steps((0.5, "gradient"), steps, global_clipnorm=1.0, loss_scale=loss_scale)
    # torch 2.14.1: clip_grad_norm_(1), then SGD(weight_decay=0.5): (3, 4) is clipped to (0.6, 0.8), and with
    # 0.5 * (1, -2) it is (1.1, -0.2)
    np.testing.assert_allclose(found[0][0], (1 - 0.11, -2 + 0.02), rtol=1e-6)
    np.testing.assert_allclose(found[1][0], (0.7465, -1.913), rtol=1e-6)


def test_build_optimizer_decay_in_the_gradient_equals_torchs_adam():
    steps = [((3.0, 4.0), (0.0,)), ((0.0, 0.5), (0.0,))]
    found = run_steps((0.5, "gradient"), steps, name="adam", global_clipnorm=None)
    # torch 2.14.1, Adam(lr=0.1, weight_decay=0.5, eps=1e-7, Keras's epsilon)
    np.testing.assert_allclose([kernel for kernel, _ in found], [(0.9, -2.1), (0.8240477, -2.1524808)], rtol=1e-5)


def test_build_optimizer_decay_in_the_gradient_is_refused_for_adamw():
    with pytest.raises(ValueError, match="the decay of adamw must be decoupled, got 'gradient'"):
        optimizer.build_optimizer(0.1, name="adamw", decay=optimizer.Decay(0.1, "gradient"))


def test_own_sgd_survives_its_config():
    made = optimizer.build_optimizer(0.1, decay=optimizer.Decay(0.25, "gradient"), accumulation_steps=3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert isinstance(again, optimizer.OwnSGD)
    assert (again.gradient_decay, again.accumulation_steps, again.weight_decay) == (0.25, 3, None)


@pytest.mark.parametrize(
    ("norms", "biases", "left_out"),
    [
        (True, True, []),
        (False, True, ["gamma", "beta"]),
        (True, False, ["bias"]),
        (False, False, ["gamma", "beta", "bias"]),
    ],
)
def test_undecayed_lists_norms_and_biases(norms, biases, left_out):
    dense, norm = keras.layers.Dense(2), keras.layers.BatchNormalization()
    dense.build((None, 3))
    norm.build((None, 2))
    variables = [*norm.trainable_variables, *dense.trainable_variables]
    found = optimizer.undecayed(variables, norms=norms, biases=biases)
    assert [variable.name for variable in found] == left_out
    assert optimizer.undecayed([], norms=norms, biases=biases) == []
