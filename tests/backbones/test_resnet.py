import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.backbones import resnet
from mrcnn.backbones.resnet import Bottleneck, ResNet


@pytest.fixture(scope="module")
def backbone():
    layer = ResNet(depth="resnet50")
    layer(np.zeros((1, 64, 64, 3), "float32"))
    return layer


def test_resnet_strides_and_channels(backbone):
    got = backbone(np.zeros((2, 64, 128, 3), "float32"))
    assert [tuple(feature.shape) for feature in got] == [
        (2, 16, 32, 256),
        (2, 8, 16, 512),
        (2, 4, 8, 1024),
        (2, 2, 4, 2048),
    ]


def test_resnet_blocks_of_both_depths():
    assert [len(stage) for stage in ResNet(depth="resnet50").stages] == [3, 4, 6, 3]
    assert [len(stage) for stage in ResNet(depth="resnet101").stages] == [3, 4, 23, 3]


def test_bottleneck_the_stride_sits_in_the_first_1x1_and_in_the_shortcut(backbone):
    first, second = backbone.stages[1][0], backbone.stages[1][1]
    assert (first.reduce.conv.strides, first.convolve.conv.strides, first.shortcut.conv.strides) == (2, 1, 2)
    assert second.reduce.conv.strides == 1
    assert second.shortcut is None
    assert backbone.stages[0][0].reduce.conv.strides == 1  # stage 2 follows the pooling


def test_bottleneck_a_block_that_adds_nothing_passes_its_input_through_a_relu():
    block = Bottleneck(block="9b", width=1)
    inputs = np.array([-1.0, 2, 3, -4], "float32").reshape(1, 1, 1, 4)
    block(inputs)
    for variable in block.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    np.testing.assert_array_equal(np.asarray(block(inputs)).ravel(), [0, 2, 3, 0])


def passing(block):
    """Makes every convolution of a block of one channel pass its middle value on, and every batch norm do nothing."""
    for unit in (block.reduce, block.convolve, block.expand, block.shortcut):
        kernel = np.zeros(unit.conv.kernel.shape)
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2, 0, 0] = 1
        unit.conv.kernel.assign(kernel)
    return block


@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
def test_bottleneck_has_the_stride_in_one_convolution(stride_in):
    block = Bottleneck(block="9a", width=1, strides=2, project=True, stride_in=stride_in, use_bias=False, epsilon=0.0)
    pixels = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    block(pixels)
    passing(block)
    strides = (block.reduce.conv.strides, block.convolve.conv.strides, block.shortcut.conv.strides)
    assert strides == ((2, 1, 2) if stride_in == "1x1" else (1, 2, 2))
    assert block.convolve.conv.padding == ("same" if stride_in == "1x1" else "symmetric")
    # both take the cells (0, 0), (0, 2), (2, 0), (2, 2); "same" would put a 3x3 of stride 2 on (1, 1), ...
    np.testing.assert_array_equal(np.asarray(block(pixels))[0, :, :, 0], 2 * np.array([[0, 2], [8, 10]]))


def test_bottleneck_strides_differ_where_the_3x3_sees_what_the_1x1_skips():
    blocks = {}
    for stride_in in ("1x1", "3x3"):
        block = Bottleneck(block="9a", width=1, strides=2, project=True, stride_in=stride_in, use_bias=False, epsilon=0)
        pixels = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
        block(pixels)
        passing(block).convolve.conv.kernel.assign(np.ones((3, 3, 1, 1)))
        blocks[stride_in] = np.asarray(block(pixels))[0, 1, 1, 0]
    # 1x1: cells 0 2 8 10 of every second; 3x3: rows and columns 1..3 of all: 5+6+7+9+10+11+13+14+15; plus shortcut 10
    assert blocks == {"1x1": 0 + 2 + 8 + 10 + 10, "3x3": 90 + 10}


def test_bottleneck_without_bias_has_kernels_and_norms_alone():
    block = Bottleneck(block="9b", width=1, use_bias=False)
    block.build((None, None, None, 4))
    names = {variable.name for variable in block.weights}
    assert names == {"kernel", "gamma", "beta", "moving_mean", "moving_variance"}


def test_bottleneck_stride_in_must_be_known():
    with pytest.raises(ValueError, match=r"^stride_in must be one of 1x1, 3x3, got '2x2'$"):
        Bottleneck(block="2a", width=1, stride_in="2x2")


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        # of a map 0..15: cells -1..1 and 1..3 of each side
        ("symmetric", [[5, 7], [13, 15]]),
        # cells 0..2 and 2..4
        ("same", [[10, 11], [14, 15]]),
    ],
)
def test_resnet_pools_with_padding_on_both_sides_or_at_the_end(padding, expected, monkeypatch):
    backbone = ResNet(depth="resnet50", pool_padding=padding)
    backbone.stages = []
    seen = []
    monkeypatch.setattr(backbone, "stem", lambda images, training: images)
    backbone.stages = [[lambda outputs, training: seen.append(outputs) or outputs]]
    backbone.call(np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1))
    np.testing.assert_array_equal(np.asarray(seen[0])[0, :, :, 0], expected)


@pytest.mark.parametrize(
    ("form", "pixels"),
    [({"stride_in": "1x1", "pool_padding": "same"}, 2.5), ({"stride_in": "3x3", "pool_padding": "symmetric"}, 0.5)],
)
def test_features_are_centred_near_the_corner_of_their_cell(form, pixels, monkeypatch):
    """The centre of what C2 and C3 see, with equal kernels and an average in place of the maximum.

    A 7x7 convolution of stride 2 with 3 cells of padding is centred on pixel 2i, whose middle is 2i + 0.5. A maximum
    over the cells 2i..2i + 2 moves that by one cell, 2 pixels; with padding on both sides it does not. Later strides of
    2 keep the first of two cells, so the distance to the cell's corner stays 2.5 or 0.5 pixels on every level.
    """
    monkeypatch.setattr(resnet.ops, "max_pool", keras.ops.average_pool)
    backbone = ResNet(depth="resnet50", **form)
    backbone.stages = backbone.stages[:2]
    backbone.build((None, None, None, 3))
    for variable in backbone.variables:
        if variable.name == "kernel":
            variable.assign(np.full(variable.shape, 1 / np.prod(variable.shape[:3]), np.float32))
    images = tf.Variable(np.ones((1, 256, 256, 3), np.float32))
    for level, stride in enumerate((4, 8)):
        cell = 128 // stride
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(backbone(images)[level][0, cell, cell])
        seen = np.abs(tape.gradient(total, images)[0]).sum(axis=(1, 2))
        centre = (seen * (np.arange(256) + 0.5)).sum() / seen.sum()
        assert centre - cell * stride == pytest.approx(pixels, abs=0.01)


def test_resnet_passes_its_settings_to_every_block():
    backbone = ResNet(depth="resnet50", stride_in="3x3", use_bias=False, batch_norm="fixed", epsilon=0.25)
    blocks = [block for stage in backbone.stages for block in stage]
    units = [unit for block in blocks for unit in (block.reduce, block.convolve, block.expand)] + [backbone.stem]
    assert {(unit.conv.use_bias, unit.norm.mode, unit.norm.epsilon) for unit in units} == {(False, "fixed", 0.25)}
    assert [stage[0].convolve.conv.strides for stage in backbone.stages] == [1, 2, 2, 2]
    assert backbone.stem.conv.padding == "symmetric"
