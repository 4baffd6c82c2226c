import numpy as np
import pytest

from mrcnn.heads.keypoint.network import Deconvolution, KeypointNetwork
from tests.traced import both


def test_deconvolution_is_pytorchs_conv_transpose2d():
    layer = Deconvolution(2)
    layer.build((None, None, None, 3))
    kernel = np.arange(4 * 4 * 2 * 3, dtype="float32").reshape(4, 4, 2, 3) % 7 - 3
    layer.set_weights([kernel, np.array([0.5, -1], "float32")])
    inputs = np.arange(2 * 2 * 3, dtype="float32").reshape(1, 2, 2, 3)
    # torch 2.14: conv_transpose2d(inputs, kernel [in, out, h, w], bias, stride=2, padding=1)
    np.testing.assert_array_equal(both(layer, inputs)[0, :, :, 0], EXPECTED)


EXPECTED = [
    [2.5, 13.5, -1.5, -9.5],
    [-21.5, -53.5, 27.5, 41.5],
    [1.5, 11.5, -54.5, -49.5],
    [9.5, 19.5, 38.5, 62.5],
]


def test_keypoint_network_quadruples_the_side_and_names_its_layers():
    network = KeypointNetwork(num_keypoints=5, channels=(6, 7))
    network.build((None, None, None, 4))
    assert both(network, np.ones((3, 14, 14, 4), "float32"), unknown_batch=True).shape == (3, 56, 56, 5)
    names = [layer.name for layer in (*network.convolutions, network.deconvolution)]
    assert names == ["mrcnn_keypoint_conv1", "mrcnn_keypoint_conv2", "mrcnn_keypoint_deconv"]
    assert network.convolutions[1].kernel.shape == (3, 3, 6, 7)


def test_keypoint_network_has_eight_convolutions_of_512_unless_others_are_named():
    assert KeypointNetwork(num_keypoints=1).channels == (512,) * 8


def test_keypoint_network_keeps_float32_logits_with_half_precision_convolutions():
    network = KeypointNetwork(num_keypoints=1, channels=(8,), feature_dtype="bfloat16")
    network.build((None, None, None, 4))
    inputs = np.random.default_rng(0).normal(size=(1, 2, 2, 4)).astype("float32")
    exact = KeypointNetwork(num_keypoints=1, channels=(8,))
    exact.build((None, None, None, 4))
    exact.set_weights(network.get_weights())
    found = np.asarray(network(inputs))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.asarray(exact(inputs)), abs=0.05)
    assert (found != np.asarray(exact(inputs))).any()
