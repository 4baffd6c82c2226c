"""Which layers of a graph are computed in 8 bits."""

from mrcnn.export import layers
from mrcnn.export.layers import Operator

GRAPH = [
    Operator("image", "Parameter", ()),
    Operator("mean", "Subtract", ("image",)),
    Operator("stem", "Convolution", ("mean",), channels=3),
    Operator("relu0", "Relu", ("stem",)),
    Operator("conv1", "Convolution", ("relu0",), channels=64),
    Operator("sum", "Add", ("conv1", "relu0")),
    Operator("conv2", "Convolution", ("sum",), channels=64),
    Operator("rpn", "Convolution", ("conv2",), channels=256),
    Operator("deltas", "Add", ("rpn",)),  # bias of an output layer
    Operator("order", "TopK", ("deltas",)),
    Operator("boxes", "Gather", ("deltas", "order")),
    Operator("rois", "Gather", ("conv2", "boxes")),
    Operator("weighted", "Multiply", ("rois", "boxes")),  # of RoIAlign: after a gather, so not of the network
    Operator("fc1", "MatMul", ("weighted",), channels=12544),
    Operator("cut", "StridedSlice", ("fc1",)),
    Operator("fc2", "MatMul", ("cut",), channels=1024),
    Operator("overlap", "MatMul", ("boxes", "boxes")),  # of two results, not of weights
    Operator("result", "Result", ("fc2",)),
]


def test_select_leaves_out_the_first_and_the_output_layers():
    selected = layers.select(GRAPH, image_channels=3)
    assert selected.layers == ("conv1", "conv2", "fc1")
    assert selected.between == {"relu0", "sum", "cut"}


def test_select_finds_the_first_layer_by_the_channels_of_an_image():
    assert layers.select(GRAPH, image_channels=4).layers == ("stem", "conv1", "conv2", "fc1")


def test_select_of_nothing():
    assert layers.select([], image_channels=3) == ((), frozenset())
    assert layers.select(GRAPH[:2], image_channels=3) == ((), frozenset())
    assert layers.select(GRAPH[:4], image_channels=3) == ((), frozenset())  # the stem is the first and an output
