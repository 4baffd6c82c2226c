"""Hourglass mask heads; the table is that of Deep-MAC's release (tensorflow/models, deepmac_maskrcnn)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.rcnn import HALVINGS
from mrcnn.heads.mask.hourglass import (
    HOURGLASSES,
    Hourglass,
    HourglassMaskHead,
    HourglassRule,
    ResidualBlock,
)
from mrcnn.models.keras_internals import layers_with_weights

SCALE = 1 / np.sqrt(1 + 1e-5)  # of a batch norm with its first values


def build(kind="hourglass20", side=8, channels=6, **arguments):
    keras.utils.set_random_seed(0)
    head = HourglassMaskHead(num_classes=3, kind=kind, **{"width": 4, **arguments})
    head.build((None, side, side, channels))
    return head


def features(count=2, side=8, channels=6):
    return np.random.default_rng(0).normal(size=(count, side, side, channels)).astype("float32")


def test_hourglasses_are_the_published_table():
    assert HOURGLASSES == {
        "hourglass20": HourglassRule((2, 2, 3), (1, 2, 2)),
        "hourglass32": HourglassRule((2, 2, 3, 3), (2, 2, 2, 2)),
        "hourglass52": HourglassRule((2, 2, 3, 3, 3, 4), (2, 2, 2, 2, 2, 4)),
        "hourglass100": HourglassRule((2, 2, 3, 3, 3, 4), (4, 4, 4, 4, 4, 8)),
    }
    assert HALVINGS == {kind: len(rule.blocks) - 1 for kind, rule in HOURGLASSES.items()}


@pytest.mark.parametrize("kind", HOURGLASSES)
def test_hourglass_mask_head_the_number_in_the_name_counts_convolutions_from_input_to_output(kind):
    # through all levels: not the paths at the side, the shortcuts, the upsampling and the 1x1 convolution behind it
    names = [layer.name for layer in layers_with_weights(build(kind)) if not layer.name.endswith("_bn")]
    assert len(set(names)) == len(names)
    assert all(name.startswith("mrcnn_mask_hourglass") for name in names)
    passed = [name for name in names if not any(word in name for word in ("_side", "shortcut", "deconv", "logits"))]
    assert f"hourglass{len(passed)}" == kind


@pytest.mark.parametrize("kind", HOURGLASSES)
def test_hourglass_mask_head_has_the_parameters_of_the_table(kind):
    width, rule = 4, HOURGLASSES[kind]
    channels = [width * number for number in rule.channels]

    def conv(side, before, after):  # with gamma and beta of its batch norm
        return side * side * before * after + 2 * after

    def block(before, after, shortcut):
        return conv(3, before, after) + conv(3, after, after) + (conv(1, before, after) if shortcut else 0)

    expected = conv(3, 6, width) + block(width, channels[0], True) + conv(3, channels[0], channels[0])
    for own, lower, count in zip(channels, channels[1:], rule.blocks, strict=False):
        same = count - 1
        expected += count * block(own, own, False)  # at the side
        expected += block(own, lower, True) + same * block(lower, lower, False)  # down
        expected += same * block(lower, lower, False) + block(lower, own, own != lower)  # up
    expected += rule.blocks[-1] * block(channels[-1], channels[-1], False)
    expected += 2 * 2 * channels[0] * width + width + 2 * width  # upsampling with bias, and its batch norm
    expected += width + 1
    assert sum(weight.numpy().size for weight in build(kind).trainable_weights) == expected


@pytest.mark.parametrize(("kind", "side"), [("hourglass20", 4), ("hourglass32", 8), ("hourglass52", 32)])
def test_hourglass_mask_head_doubles_the_side_down_from_one_cell(kind, side):
    assert build(kind, side)(features(1, side)).shape == (1, 2 * side, 2 * side, 1)


def test_hourglass_mask_head_published_shape_is_64_cells_of_32():
    head = build(side=32, width=2)
    assert head(features(3, 32)).shape == (3, 64, 64, 1)
    assert head.class_layers == ()


def test_hourglass_mask_head_may_have_a_mask_for_each_class():
    head = build(class_agnostic=False)
    assert head(features()).shape == (2, 16, 16, 3)
    assert head.class_layers == ("mrcnn_mask_hourglass_logits",)


def set_identity(layers):
    """Makes 3x3 kernels 0 and 1x1 kernels the identity, so that a block is the ReLU of its shortcut."""
    for layer in layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            kernel.assign(np.eye(kernel.shape[-1])[None, None] if kernel.shape[0] == 1 else np.zeros(kernel.shape))


def test_residual_block_adds_the_shortcut_of_every_second_cell():
    block = ResidualBlock(1, strides=2, projects=True, name="block")
    inputs = np.arange(-8.0, 8.0, dtype="float32").reshape(1, 4, 4, 1)
    block.build(inputs.shape)
    set_identity(layers_with_weights(block))
    # cells (0, 0), (0, 2), (2, 0), (2, 2) are -8, -6, 0, 2
    np.testing.assert_allclose(block(inputs)[0, ..., 0], [[0, 0], [0, 2 * SCALE]], rtol=1e-6)


def test_residual_block_without_shortcut_adds_its_input():
    block = ResidualBlock(2, name="block")
    inputs = np.array([[[[-1.0, 3.0]]]], "float32")
    block.build(inputs.shape)
    set_identity(layers_with_weights(block))
    np.testing.assert_array_equal(block(inputs), [[[[0.0, 3.0]]]])
    block.second.norm.beta.assign([5.0, 0.0])
    np.testing.assert_array_equal(block(inputs), [[[[4.0, 3.0]]]])


def test_hourglass_adds_what_was_at_each_level_to_the_enlarged_level_below():
    # two levels below: x + enlarged(x of every 2nd cell + enlarged(x of every 4th cell)), for x above 0
    layer = Hourglass((1, 1, 1), (1, 1, 1), name="mrcnn_mask_hourglass1")
    inputs = np.arange(1.0, 17.0, dtype="float32").reshape(1, 4, 4, 1)
    layer.build(inputs.shape)
    set_identity(layers_with_weights(layer))
    first, x = SCALE, inputs[0, ..., 0]
    below = first * x[::2, ::2] + first * np.full((2, 2), first * x[0, 0])  # the lowest level passes two shortcuts
    expected = x + np.kron(below, np.ones((2, 2)))
    np.testing.assert_allclose(np.asarray(layer(inputs))[0, ..., 0], expected, rtol=1e-5)


def test_hourglass_mask_head_every_weight_has_a_gradient_and_it_is_that_of_small_steps():
    head, inputs = build(), tf.constant(features())
    target = np.random.default_rng(1).uniform(size=(2, 16, 16, 1)).astype("float32")

    def loss():
        logits = head(inputs, training=True)
        return tf.reduce_mean(keras.ops.binary_crossentropy(target, logits, from_logits=True))

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, [weight.value for weight in head.trainable_weights])
    assert all(gradient is not None and np.abs(gradient).max() > 0 for gradient in gradients if gradient is not None)
    assert all(gradient is not None for gradient in gradients)
    kernel = head.logits.kernel
    exact, step = gradients[[id(w) for w in head.trainable_weights].index(id(kernel))], 1e-2
    start = kernel.numpy()
    for channel in range(4):
        moved = []
        for sign in (1, -1):
            other = start.copy()
            other[0, 0, channel, 0] += sign * step
            kernel.assign(other)
            moved.append(float(loss()))
        assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(float(exact[0, 0, channel, 0]), rel=1e-2, abs=1e-5)


def test_hourglass_mask_head_trains_on_one_region_that_is_the_same_everywhere():
    # with at most 8 channels and one image, oneDNN's gradient of a strided 1x1 kernel writes beyond its memory
    head = build("hourglass52", 32, width=8)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(head(np.zeros((1, 32, 32, 6), "float32"), training=True))
    gradients = tape.gradient(value, [weight.value for weight in head.trainable_weights])
    assert np.isfinite(float(value))
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)


def test_hourglass_mask_head_statistics_move_in_training_alone():
    head, inputs = build(), features()
    before = head.norm.moving_mean.numpy()
    head(inputs)
    np.testing.assert_array_equal(head.norm.moving_mean.numpy(), before)
    head(inputs, training=True)
    assert np.abs(head.norm.moving_mean.numpy() - before).max() > 0


def test_hourglass_mask_head_frozen_statistics_stay():
    head, inputs = build(batch_norm="frozen"), features()
    np.testing.assert_allclose(head(inputs, training=True), head(inputs), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_hourglass_mask_head_computes_in_the_feature_dtype_and_returns_float32(dtype):
    head = build(feature_dtype=dtype)
    logits = head(features())
    assert logits.dtype == "float32"
    assert head.body[2](tf.cast(head.body[1](head.body[0](features())), dtype)).dtype == dtype
    np.testing.assert_allclose(logits, build()(features()), atol=0.3)
    assert {weight.dtype for weight in head.weights} <= {"float32"}


def test_hourglass_mask_head_keeps_its_arguments_through_a_config():
    head = build("hourglass32", width=2, batch_norm="synchronized", class_agnostic=False, initial_values="he")
    again = HourglassMaskHead.from_config(head.get_config())
    assert (again.kind, again.class_agnostic, again.num_classes) == ("hourglass32", False, 3)
    assert again.norm.mode == "synchronized"
    assert again.upsampling.filters == 2
