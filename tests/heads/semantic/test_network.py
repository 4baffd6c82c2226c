import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.semantic.network import SemanticNetwork, enlarged
from tests.traced import both


def pyramid(side=16, channels=4, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(batch, side >> level, side >> level, channels)).astype("float32") for level in range(4)]


def network(**kwargs):
    built = SemanticNetwork(**{"num_classes": 3, "channels": 8, "groups": 2, **kwargs})
    built.build((None, None, None, 4))
    return built


def test_semantic_network_has_the_published_layers():
    layers = [[layer.name for layer in level] for level in SemanticNetwork(num_classes=2).convolutions]
    assert layers == [
        ["mrcnn_semantic_p2_conv1"],
        ["mrcnn_semantic_p3_conv1"],
        ["mrcnn_semantic_p4_conv1", "mrcnn_semantic_p4_conv2"],
        ["mrcnn_semantic_p5_conv1", "mrcnn_semantic_p5_conv2", "mrcnn_semantic_p5_conv3"],
    ]


def test_semantic_network_has_as_many_values_as_detectron2s():
    # detectron2 (02b5c4e2), panoptic_fpn_R_50_1x: p2, p3, p4, p5 and the predictor of 53 stuff classes and things
    built = SemanticNetwork(num_classes=54)
    built.build((None, None, None, 256))
    levels = zip(built.convolutions, built.norms, strict=True)
    counts = [sum(layer.count_params() for layer in (*first, *second)) for first, second in levels]
    assert counts == [295168, 295168, 442880, 590592]
    assert built.predictor.count_params() == 6966


def test_semantic_network_predicts_the_cells_of_the_first_level():
    built = network()
    maps = pyramid()
    logits = both(lambda *levels: built(levels), *maps, unknown_batch=True, tolerance=1e-5)
    assert logits.shape == (2, 16, 16, 3)
    assert logits.dtype == np.float32


@pytest.mark.parametrize("level", range(4))
def test_semantic_network_uses_every_level(level):
    built, maps = network(), pyramid()
    before = np.asarray(built(maps))
    maps[level] = maps[level][:, ::-1]  # a constant would vanish in the norm
    assert np.abs(np.asarray(built(maps)) - before).max() > 1e-3


def test_semantic_network_adds_normalized_levels():
    # with kernels that copy a channel, P2 alone: group norm of two channels, then ReLU, then the predictor's sum
    built = SemanticNetwork(num_classes=1, channels=2, groups=1)
    built.build((None, None, None, 2))
    for levels in built.convolutions:
        for layer in levels:
            layer.kernel.assign(np.zeros((3, 3, 2, 2)))
    kernel = np.zeros((3, 3, 2, 2))
    kernel[1, 1] = np.eye(2)
    built.convolutions[0][0].kernel.assign(kernel)
    built.predictor.kernel.assign(np.ones((1, 1, 2, 1)))
    maps = [np.zeros((1, 8 >> level, 8 >> level, 2), "float32") for level in range(4)]
    maps[0][0, :, :4, 0] = 4.0
    # 32 of 128 values are 4: mean 1, variance 3; (4 - 1) / sqrt(3) and (0 - 1) / sqrt(3), which ReLU makes 0
    logits = np.asarray(built(maps))[0, :, :, 0]
    np.testing.assert_allclose(logits[:, :4], 3 / np.sqrt(3), rtol=1e-4)
    np.testing.assert_allclose(logits[:, 4:], 0.0)


def test_semantic_network_keeps_float32_logits_with_half_precision_convolutions():
    half, exact = network(feature_dtype="bfloat16"), network()
    exact.set_weights(half.get_weights())
    found, expected = (np.asarray(each(pyramid())) for each in (half, exact))
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=0.15)
    assert (found != expected).any()


def test_semantic_network_refuses_channels_that_do_not_fit_the_groups():
    with pytest.raises(ValueError, match="must be a multiple of 32, got 48"):
        SemanticNetwork(num_classes=2, channels=48)


def test_semantic_network_does_not_need_to_know_the_sides():
    built, maps = network(), pyramid()
    specs = [tf.TensorSpec((None, None, None, 4), tf.float32)] * 4
    traced = tf.function(lambda *levels: built(levels), input_signature=specs)
    np.testing.assert_allclose(traced(*maps), built(maps), atol=1e-5)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_enlarged_equals_tensorflows_resize(factor):
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 2)).astype("float32")
    expected = tf.image.resize(maps, (3 * factor, 5 * factor))
    np.testing.assert_allclose(both(lambda given: enlarged(given, factor), maps), expected, atol=1e-6)


def test_enlarged_is_bilinear_between_the_middles_of_cells():
    # the middles of the new cells are at 1/4 and 3/4 of the old ones; the edge is repeated
    maps = np.float32([0, 4]).reshape(1, 1, 2, 1)
    assert both(lambda given: enlarged(given, 2), maps)[0, :, :, 0].tolist() == [[0, 1, 3, 4]] * 2
