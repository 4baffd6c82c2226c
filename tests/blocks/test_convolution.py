import numpy as np
import pytest

from mrcnn.blocks.convolution import Convolution


def _built(**kwargs):
    layer = Convolution(1, 3, **kwargs)
    layer.build((None, 3, 3, 1))
    layer.kernel.assign(np.ones((3, 3, 1, 1)))
    layer.bias.assign([10.0])
    return layer


def test_convolution_sums_the_neighbourhood():
    got = np.asarray(_built()(np.ones((1, 3, 3, 1), "float32")))[0, :, :, 0]
    np.testing.assert_allclose(got, np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) + 10)


def test_convolution_scale_and_shift_act_behind_the_bias():
    layer = _built(padding="valid")
    got = layer(np.ones((1, 3, 3, 1), "float32"), scale=np.float32([2.0]), shift=np.float32([-1.0]))
    assert float(got[0, 0, 0, 0]) == (9 + 10) * 2 - 1


def test_convolution_scale_and_shift_of_a_map():
    got = _built()(np.ones((1, 3, 3, 1), "float32"), scale=np.float32([2.0]), shift=np.float32([-1.0]))
    expected = (np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) + 10) * 2 - 1
    np.testing.assert_allclose(np.asarray(got)[0, :, :, 0], expected)


def test_convolution_empty_batch():
    assert _built()(np.zeros((0, 3, 3, 1), "float32")).shape == (0, 3, 3, 1)


def test_convolution_initial_stddev_sets_the_spread():
    layer = Convolution(64, 3, initial_stddev=0.01)
    layer.build((None, 8, 8, 64))
    assert np.std(layer.kernel.numpy()) == pytest.approx(0.01, rel=0.05)


def test_convolution_a_kernel_as_large_as_the_map_gives_one_cell():
    layer = _built(padding="valid")
    layer.kernel.assign(np.arange(9.0).reshape(3, 3, 1, 1))
    got = np.asarray(layer(np.arange(9, dtype="float32").reshape(1, 3, 3, 1)))
    assert got.shape == (1, 1, 1, 1)
    assert got.item() == sum(i * i for i in range(9)) + 10


def test_convolution_symmetric_pads_both_sides_whatever_the_stride():
    # ones on a 4 x 4 map; rows seen from a first output cell are -1, 0, 1, from the second 1, 2, 3
    layer = _built(strides=2, padding="symmetric")
    got = np.asarray(layer(np.ones((1, 4, 4, 1), "float32")))[0, :, :, 0]
    np.testing.assert_allclose(got, np.array([[4, 6], [6, 9]]) + 10)
    # TensorFlow's "same" pads at the end alone: 0, 1, 2 and 2, 3, 4
    other = _built(strides=2, padding="same")
    got = np.asarray(other(np.ones((1, 4, 4, 1), "float32")))[0, :, :, 0]
    np.testing.assert_allclose(got, np.array([[9, 6], [6, 4]]) + 10)


def test_convolution_symmetric_of_an_odd_map():
    layer = _built(strides=2, padding="symmetric")
    got = np.asarray(layer(np.ones((1, 3, 3, 1), "float32")))[0, :, :, 0]
    np.testing.assert_allclose(got, np.full((2, 2), 4) + 10)


@pytest.mark.parametrize("padding", ["same", "valid", "symmetric"])
def test_convolution_without_bias_adds_only_the_shift(padding):
    layer = Convolution(1, 3, use_bias=False, padding=padding)
    pixels = np.ones((1, 3, 3, 1), "float32")
    layer.build(pixels.shape)
    layer.kernel.assign(np.ones((3, 3, 1, 1)))
    assert layer.bias is None
    assert len(layer.weights) == 1
    middle = 0 if padding == "valid" else 1
    assert float(layer(pixels)[0, middle, middle, 0]) == 9
    got = layer(pixels, scale=np.float32([2.0]), shift=np.float32([-1.0]))
    assert float(got[0, middle, middle, 0]) == 9 * 2 - 1
