"""Selects the layers of a graph that can be computed in 8 bits.

Boxes, scores and resized pixels need more places than 8 bits have, so only the network itself is selected, without its
first layer, which reads the image, and without its output layers, whose results are decoded to boxes, scores and masks.
The rule reads the graph alone, so it holds for every family and head.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

WEIGHTED = frozenset(
    {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "Conv", "ConvTranspose", "MatMul", "Gemm"}
)  # kinds of layers, in OpenVINO's and ONNX's names
PASSING = frozenset(
    {
        "Add", "AvgPool", "AveragePool", "BatchNormalization", "Clamp", "Clip", "Concat", "Identity", "Interpolate",
        "MaxPool", "Mul", "Multiply", "Pad", "Relu", "Reshape", "Resize", "Slice", "Squeeze", "StridedSlice",
        "Transpose", "Unsqueeze",
    }
)  # kinds of operators between two layers of a network; none of them selects objects  # fmt: skip


class Operator(NamedTuple):
    """An operator of a graph.

    Attributes:
        name: unique in the graph.
        kind: name of the type of the operator.
        sources: names of the operators whose results it reads; constants and inputs may be left out.
        channels: number of channels that its constant weights read; None for an operator without constant weights.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    channels: int | None = None


class Selected(NamedTuple):
    """What may be computed in 8 bits.

    Attributes:
        layers: names of the layers, in the order of the graph.
        between: names of the operators between them.
    """

    layers: tuple[str, ...]
    between: frozenset[str]


def select(operators: Sequence[Operator], *, image_channels: int) -> Selected:
    """Selects the layers of a network between its first layer and its output layers.

    A layer is an output layer if no other layer reads its result, directly or through operators of `PASSING`.

    Args:
        operators: of a graph, each after those whose results it reads.
        image_channels: channel count of an image; a layer that reads as many channels is the first.

    Returns:
        The layers and the operators between them; empty for a graph without layers.
    """
    layers = {item.name for item in operators if _is_layer(item)}
    passing = {item.name for item in operators if item.kind in PASSING and item.name not in layers}
    after: set[str] = set()  # layers, and operators of PASSING that read the result of one
    for item in operators:
        if item.name in layers or (item.name in passing and _any(item.sources, after)):
            after.add(item.name)
    read: set[str] = set()  # operators whose result a layer reads
    for item in reversed(operators):
        if item.name in layers or (item.name in passing and item.name in read):
            read.update(item.sources)
    chosen = tuple(
        item.name for item in operators if item.name in layers and item.name in read and item.channels != image_channels
    )
    return Selected(chosen, frozenset(passing & after & read))


def _is_layer(item: Operator) -> bool:
    return item.kind in WEIGHTED and item.channels is not None


def _any(names: Iterable[str], group: set[str]) -> bool:
    return any(name in group for name in names)
