import keras
import numpy as np
import pytest

from mrcnn.heads.mask.network import MaskHead, Upsampling, depth_to_space


def test_upsampling_equals_keras_transposed_convolution():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(2, 3, 3, 4)).astype("float32")
    ours, reference = Upsampling(5), keras.layers.Conv2DTranspose(5, 2, strides=2)
    ours(inputs)
    reference(inputs)
    kernel, bias = rng.normal(size=(2, 2, 5, 4)), rng.normal(size=5)
    for layer in (ours, reference):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    np.testing.assert_allclose(np.asarray(ours(inputs)), np.asarray(reference(inputs)), rtol=1e-4, atol=1e-5)


def test_depth_to_space_puts_each_cells_values_into_its_place():
    # one region of 2 x 2 cells; cell (row, column) has the values 10 * row + 5 * column + 0, 1, 2, 3
    blocks = np.array([[0, 1, 2, 3, 5, 6, 7, 8], [10, 11, 12, 13, 15, 16, 17, 18]], "float32").reshape(1, 2, 8, 1)
    expected = [[0, 1, 5, 6], [2, 3, 7, 8], [10, 11, 15, 16], [12, 13, 17, 18]]
    assert np.asarray(depth_to_space(blocks))[0, :, :, 0].tolist() == expected
    assert depth_to_space(np.zeros((0, 3, 12, 5), "float32")).shape == (0, 6, 6, 5)


def test_mask_head_side_doubles_and_every_class_has_a_mask():
    head = MaskHead(num_classes=7, channels=8)
    assert head(np.zeros((3, 14, 14, 6), "float32")).shape == (3, 28, 28, 7)


def test_mask_head_one_region():
    assert MaskHead(num_classes=2, channels=4)(np.zeros((1, 14, 14, 6), "float32")).shape == (1, 28, 28, 2)


def test_mask_head_class_agnostic_has_one_mask_for_all_classes():
    head = MaskHead(num_classes=5, channels=4, class_agnostic=True)
    regions = np.random.default_rng(0).normal(size=(2, 3, 3, 6)).astype("float32")
    got = np.asarray(head(regions))
    assert got.shape == (2, 6, 6, 5)
    assert head.logits.kernel.shape == (1, 1, 4, 1)
    np.testing.assert_array_equal(got, np.repeat(got[..., :1], 5, axis=-1))
    assert np.ptp(got) > 0


@pytest.mark.parametrize(
    ("batch_norm", "use_bias", "kept"),
    [("frozen", True, True), ("frozen", False, False), (None, False, True), (None, True, True)],
)
def test_mask_head_convolutions_have_a_bias_unless_a_norm_replaces_it(batch_norm, use_bias, kept):
    head = MaskHead(num_classes=2, channels=4, batch_norm=batch_norm, use_bias=use_bias)
    head(np.zeros((1, 2, 2, 3), "float32"))
    assert {unit.conv.bias is not None for unit in head.convolutions} == {kept}
    assert {unit.norm is not None for unit in head.convolutions} == {batch_norm is not None}
