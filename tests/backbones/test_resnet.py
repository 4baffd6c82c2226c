import numpy as np
import pytest

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
