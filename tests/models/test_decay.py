import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.models import decay
from mrcnn.ops.backend.current import native


def test_l2_loss_each_tensor_is_divided_by_its_size_and_batch_norm_is_left_out():
    kernel = keras.Variable(np.array([[1.0, 2.0], [3.0, 4.0]], "float32"), name="kernel")
    bias = keras.Variable(np.array([2.0], "float32"), name="bias")
    gamma = keras.Variable(np.array([100.0], "float32"), name="gamma")
    loss = decay.l2_loss([kernel, bias, gamma], weight_decay=1e-4)
    assert float(loss) == pytest.approx(1e-4 * ((1 + 4 + 9 + 16) / 4 + 4 / 1), rel=1e-6)


def test_l2_loss_of_a_weight_without_values_has_no_gradient():
    empty = keras.Variable(np.zeros((0, 3), "float32"), name="kernel")
    with tf.GradientTape() as tape:
        loss = decay.l2_loss([empty], weight_decay=0.1)
    assert tape.gradient(loss, empty.value).shape == (0, 3)


def test_l2_loss_nothing_trainable_gives_zero():
    assert float(decay.l2_loss([], weight_decay=1e-4)) == 0.0


@pytest.mark.parametrize("compiled", [False, True])
def test_l2_loss_gradient_of_a_weight_is_its_share_of_the_mean(compiled):
    kernel = keras.Variable(np.array([[1.0, -2.0], [3.0, 0.0]], "float32"), name="kernel")

    def gradient():
        with tf.GradientTape() as tape:
            loss = 3.0 * decay.l2_loss([kernel], weight_decay=0.1)
        return tape.gradient(loss, kernel.value)

    found = (tf.function(gradient) if compiled else gradient)()
    # 3 * 0.1 * 2 w / 4 = 0.15 w
    np.testing.assert_allclose(found, [[0.15, -0.3], [0.45, 0.0]], rtol=1e-6)


def test_l2_loss_gradient_is_computed_after_those_of_the_other_losses():
    kernel = keras.Variable(np.ones((2, 2), "float32"), name="kernel")

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            loss = decay.l2_loss([kernel], weight_decay=0.1) + tf.reduce_sum(tf.exp(kernel.value))
        return tape.gradient(loss, kernel.value)

    with native.training():
        operations = gradient.get_concrete_function().graph.get_operations()
        assert gradient().numpy() == pytest.approx(np.full((2, 2), 0.1 * 2 / 4 + np.e), rel=1e-6)
    waiting = [each for each in operations if "_mrcnn_computed_last" in each.node_def.attr]
    assert [[before.type for before in each.control_inputs] for each in waiting] == [["Mul"]]  # the gradient of exp
