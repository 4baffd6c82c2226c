import keras
import numpy as np
import pytest

from mrcnn.models import decay


def test_l2_loss_each_tensor_is_divided_by_its_size_and_batch_norm_is_left_out():
    kernel = keras.Variable(np.array([[1.0, 2.0], [3.0, 4.0]], "float32"), name="kernel")
    bias = keras.Variable(np.array([2.0], "float32"), name="bias")
    gamma = keras.Variable(np.array([100.0], "float32"), name="gamma")
    loss = decay.l2_loss([kernel, bias, gamma], weight_decay=1e-4)
    assert float(loss) == pytest.approx(1e-4 * ((1 + 4 + 9 + 16) / 4 + 4 / 1), rel=1e-6)


def test_l2_loss_nothing_trainable_gives_zero():
    assert float(decay.l2_loss([], weight_decay=1e-4)) == 0.0
