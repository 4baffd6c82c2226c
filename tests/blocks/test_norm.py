import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.norm import BatchNorm, ConvNorm

ROOT = Path(__file__).resolve().parents[2]


def _layer(*, batch_norm="frozen", epsilon=1e-3, feature_dtype="float32"):
    layer = ConvNorm(Convolution(2, 1, feature_dtype=feature_dtype), BatchNorm(batch_norm, epsilon=epsilon), relu=False)
    layer.build((None, 1, 1, 1))
    layer.conv.kernel.assign(np.array([[[[2.0, -1.0]]]]))
    layer.conv.bias.assign([1.0, 0.0])
    layer.norm.gamma.assign([3.0, 1.0])
    layer.norm.beta.assign([0.5, 0.0])
    layer.norm.moving_mean.assign([4.0, 0.0])
    layer.norm.moving_variance.assign([0.249, 0.999])  # + epsilon 0.001: standard deviations 0.5 and 1
    return layer


def test_conv_norm_folded_equals_convolution_then_normalisation():
    got = np.asarray(_layer()(np.full((1, 1, 1, 1), 3.0, "float32")))
    # channel 0: (3*2 + 1 - 4) / 0.5 * 3 + 0.5; channel 1: -3 / 1
    np.testing.assert_allclose(got[0, 0, 0], [(7 - 4) / 0.5 * 3 + 0.5, -3.0], rtol=1e-5)


def test_conv_norm_relu_comes_last():
    layer = _layer()
    layer.relu = True
    np.testing.assert_allclose(np.asarray(layer(np.full((1, 1, 1, 1), 3.0, "float32")))[0, 0, 0], [18.5, 0], rtol=1e-5)


def test_conv_norm_frozen_statistics_do_not_move_in_training():
    layer = _layer()
    layer(np.ones((4, 1, 1, 1), "float32"), training=True)
    np.testing.assert_array_equal(layer.norm.moving_mean.numpy(), [4.0, 0.0])


def test_trained_statistics_move_and_the_batch_normalises_itself():
    layer = _layer(batch_norm="trained")
    batch = np.array([1.0, 3.0], "float32").reshape(2, 1, 1, 1)
    got = np.asarray(layer(batch, training=True))[:, 0, 0, 0]
    # conv gives 3 and 7: mean 5, variance 4
    np.testing.assert_allclose(got, np.array([-2, 2]) / np.sqrt(4.001) * 3 + 0.5, rtol=1e-5)
    np.testing.assert_allclose(layer.norm.moving_mean.numpy()[0], 0.9 * 4 + 0.1 * 5, rtol=1e-5)


def test_batch_norm_a_layer_that_does_not_train_keeps_its_statistics():
    layer = _layer(batch_norm="trained")
    layer.norm.trainable = False
    layer(np.ones((4, 1, 1, 1), "float32"), training=True)
    np.testing.assert_array_equal(layer.norm.moving_mean.numpy(), [4.0, 0.0])


def test_conv_norm_half_precision_folds_in_float32():
    got = _layer(feature_dtype="bfloat16")(np.full((1, 1, 1, 1), 3.0, "float32"))
    assert str(got.dtype).endswith("bfloat16'>")
    np.testing.assert_allclose(np.asarray(ops.cast(got, "float32"))[0, 0, 0], [18.5, -3.0], rtol=1e-2)


def test_batch_norm_fixed_trains_nothing_whatever_trainable_is():
    layer = _layer(batch_norm="fixed")
    layer.trainable = True
    assert [variable.name for variable in layer.trainable_variables] == ["kernel", "bias"]
    assert [variable.name for variable in layer.norm.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    layer(np.ones((4, 1, 1, 1), "float32"), training=True)
    np.testing.assert_array_equal(layer.norm.moving_mean.numpy(), [4.0, 0.0])


def test_batch_norm_frozen_trains_gamma_and_beta():
    names = [variable.name for variable in _layer().trainable_variables]
    assert names == ["kernel", "bias", "gamma", "beta"]


@pytest.mark.parametrize("mode", ["fixed", "frozen"])
def test_batch_norm_epsilon_is_added_to_the_variance(mode):
    layer = _layer(batch_norm=mode, epsilon=0.0)
    layer.norm.moving_variance.assign([4.0, 0.25])
    got = np.asarray(layer(np.full((1, 1, 1, 1), 3.0, "float32")))[0, 0, 0]
    # channel 0: (3*2 + 1 - 4) / 2 * 3 + 0.5; channel 1: (3*-1) / 0.5
    np.testing.assert_allclose(got, [3 / 2 * 3 + 0.5, -3 / 0.5], rtol=1e-6)
    layer.norm.epsilon = 2.0
    got = np.asarray(layer(np.full((1, 1, 1, 1), 3.0, "float32")))[0, 0, 0]
    np.testing.assert_allclose(got, [3 / np.sqrt(6.0) * 3 + 0.5, -3 / 1.5], rtol=1e-6)


def test_conv_norm_without_norm_is_the_convolution():
    layer = ConvNorm(Convolution(1, 1), relu=False)
    layer.build((None, 1, 1, 1))
    layer.conv.kernel.assign([[[[2.0]]]])
    layer.conv.bias.assign([-7.0])
    pixels = np.full((1, 1, 1, 1), 3.0, "float32")
    assert float(np.asarray(layer(pixels, training=True)).item()) == 2 * 3 - 7
    layer.relu = True
    assert float(np.asarray(layer(pixels)).item()) == 0.0


@pytest.mark.parametrize("mode", ["fixed", "frozen", "trained", "synchronized"])
def test_batch_norm_config_round_trip(mode):
    again = BatchNorm.from_config(BatchNorm(mode=mode, name="x").get_config())
    assert (again.mode, again.synchronized) == (mode, mode == "synchronized")


def test_batch_norm_synchronized_on_one_device_equals_trained():
    batch = np.random.default_rng(0).normal(size=(4, 3, 3, 1)).astype(np.float32)
    trained, synchronized = _layer(batch_norm="trained"), _layer(batch_norm="synchronized")
    outputs = [np.asarray(layer(batch, training=True)) for layer in (trained, synchronized)]
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(synchronized.norm.moving_mean.numpy(), trained.norm.moving_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(
        synchronized.norm.moving_variance.numpy(), trained.norm.moving_variance.numpy(), rtol=1e-5
    )


DEVICES = """
import json
import keras, numpy as np, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.norm import BatchNorm, ConvNorm
from mrcnn.train import devices

batch = np.random.default_rng(0).normal(size=(6, 4, 4, 2)).astype(np.float32)
wanted = np.random.default_rng(1).normal(size=(6, 4, 4, 3)).astype(np.float32)

def run(names, mode):
    chosen = devices.use(names)
    keras.utils.set_random_seed(1)
    with chosen.scope():
        layer = ConvNorm(Convolution(3, 3), BatchNorm(mode))
        layer.build((None, 4, 4, 2))

    def step(part):  # two images on the first device, four on the second
        images, truth = (tf.constant(whole)[part[0] : part[1]] for whole in (batch, wanted))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((layer(images, training=True) - truth) ** 2)
        gradients = tape.gradient(loss, layer.trainable_variables)
        return gradients

    if chosen.strategy is None:
        total = tf.function(step)(tf.constant([0, 6]))
    else:
        parts = chosen.strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant([[0, 2], [2, 6]][context.replica_id_in_sync_group])
        )
        shares = tf.function(lambda part: chosen.strategy.run(step, args=(part,)))(parts)
        total = [chosen.strategy.reduce("SUM", share, axis=None) for share in shares]
    moving = [layer.norm.moving_mean.numpy(), layer.norm.moving_variance.numpy()]
    return [np.ravel(value).tolist() for value in [*total, *moving]]

print(json.dumps([run(["CPU:0"], "synchronized"), *(
    run(["CPU:0", "CPU:1"], mode) for mode in ("synchronized", "trained"))]))
"""


def test_batch_norm_synchronized_on_two_devices_equals_one_with_the_whole_batch():
    done = subprocess.run([sys.executable, "-c", DEVICES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two, apart = json.loads(done.stdout.splitlines()[-1])
    assert len(one) == 6  # gradients of kernel, bias, gamma and beta; moving mean and variance
    for index, value in enumerate(one):
        np.testing.assert_allclose(two[index], value, rtol=1e-4, atol=1e-4, err_msg=str(index))
    assert np.abs(np.subtract(apart[0], one[0])).max() > 0.1  # which `trained` does not
