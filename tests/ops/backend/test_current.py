import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.ops.backend.current import native


def test_native_is_the_file_of_keras_back_end():
    assert native.__name__ == f"mrcnn.ops.backend.{keras.config.backend()}"


@pytest.mark.parametrize("k", [0, 1, 2, 5, 40])
def test_top_k_takes_the_first_of_equals(k):
    values = np.random.default_rng(0).integers(0, 4, (3, 40)).astype(np.float32)  # each number about ten times
    expected = np.argsort(-values, axis=1, kind="stable")[:, :k]
    found, index = (np.asarray(ops.convert_to_numpy(one)) for one in native.top_k(ops.convert_to_tensor(values), k))
    np.testing.assert_array_equal(index, expected)
    np.testing.assert_array_equal(found, np.take_along_axis(values, expected, axis=1))


def test_reverse_last_of_the_channels_of_an_image_and_of_nothing():
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    found = ops.convert_to_numpy(native.reverse_last(ops.convert_to_tensor(values)))
    np.testing.assert_array_equal(found, [[[2, 1, 0], [5, 4, 3]], [[8, 7, 6], [11, 10, 9]]])
    assert tuple(native.reverse_last(ops.zeros((2, 0))).shape) == (2, 0)
