"""Hourglass networks: mask heads that combine features of all scales of a region.

A region's features pass an input block and one hourglass. Level by level the hourglass halves their sides, until one or
a few cells cover the whole region, and then doubles them again and adds the features that the level had on the way
down. The number in a network's name counts the convolutions from input to output.
Source: Birodkar et al. (2021), Deep-MAC, with the channels and blocks of its release in the TensorFlow Model Garden;
Newell et al. (2016) for hourglasses; Law and Deng (2018) for the residual blocks.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.blocks.norm import BatchNorm, ConvNorm
from mrcnn.heads.mask.network import Upsampling
from mrcnn.structures import Tensor

EPSILON = 1e-5
START = "mrcnn_mask_hourglass"  # of the layers' names
WIDTH = 64  # channels that the table's numbers multiply, and those of the input block and the output


class HourglassRule(NamedTuple):
    """One row of the published table.

    Attributes:
        channels: of each level in multiples of `WIDTH`, the finest first.
        blocks: residual blocks of each level.
    """

    channels: tuple[int, ...]
    blocks: tuple[int, ...]


HOURGLASSES = {
    "hourglass20": HourglassRule((2, 2, 3), (1, 2, 2)),
    "hourglass32": HourglassRule((2, 2, 3, 3), (2, 2, 2, 2)),
    "hourglass52": HourglassRule((2, 2, 3, 3, 3, 4), (2, 2, 2, 2, 2, 4)),
    "hourglass100": HourglassRule((2, 2, 3, 3, 3, 4), (4, 4, 4, 4, 4, 8)),
}


class ResidualBlock(Float32Layer):
    """Two 3x3 convolutions with batch norm, added to the input; a ReLU follows the first and the sum."""

    def __init__(
        self,
        filters: int,
        *,
        strides: int = 1,
        projects: bool = False,
        batch_norm: str = "trained",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers, whose names begin with that of the block.

        Args:
            filters: output channels.
            strides: of the first convolution.
            projects: whether a 1x1 convolution with batch norm adapts the input; needed where the shape changes.
            batch_norm: as for `HourglassMaskHead`.
            feature_dtype: dtype of the convolutions.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        common: dict[str, Any] = {"batch_norm": batch_norm, "feature_dtype": feature_dtype}
        self.first = _unit(filters, 3, strides=strides, name=f"{self.name}_conv1", **common)
        self.second = _unit(filters, 3, name=f"{self.name}_conv2", relu=False, **common)
        self.shortcut = None
        if projects:
            self.shortcut = _unit(filters, 1, strides=strides, name=f"{self.name}_shortcut", relu=False, **common)

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], self.first.conv.filters))
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Computes `[P, S', S', filters]` from `[P, S, S, C]`."""
        outputs = self.second(self.first(inputs, training=training), training=training)
        kept = inputs if self.shortcut is None else self.shortcut(inputs, training=training)
        return ops.relu(outputs + ops.cast(kept, outputs.dtype))


class Hourglass(Float32Layer):
    """One level of an hourglass with all levels below it; input and output have the same shape."""

    def __init__(
        self,
        channels: tuple[int, ...],
        blocks: tuple[int, ...],
        *,
        level: int = 1,
        batch_norm: str = "trained",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            channels: of the levels from this one on, two at least.
            blocks: residual blocks of the same levels.
            level: number of this level, for the names of the layers.
            batch_norm: as for `HourglassMaskHead`.
            feature_dtype: dtype of the convolutions.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        common: dict[str, Any] = {"batch_norm": batch_norm, "feature_dtype": feature_dtype}
        (own, lower), count, start = channels[:2], blocks[0], f"{START}{level}"
        self.side = _blocks(f"{start}_side", own, count, **common)
        self.down = _blocks(f"{start}_down", lower, count, strides=2, **common)
        self.inner: list[keras.layers.Layer]
        if len(blocks) > 2:
            below = f"{START}{level + 1}"
            self.inner = [Hourglass(channels[1:], blocks[1:], level=level + 1, name=below, **common)]
        else:
            self.inner = [*_blocks(f"{start}_inner", lower, blocks[1], **common)]
        self.up = _blocks(f"{start}_up", lower, count, last=own, **common)

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        _build(self.side, input_shape)
        _build([*self.down, *self.inner, *self.up], input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Computes `[P, S, S, C]` from `[P, S, S, C]`; S must be even at each level."""
        kept, lower = inputs, inputs
        for block in self.side:
            kept = block(kept, training=training)
        for block in (*self.down, *self.inner, *self.up):
            lower = block(lower, training=training)
        return kept + ops.repeat(ops.repeat(lower, 2, axis=1), 2, axis=2)


class HourglassMaskHead(Float32Layer):
    """Input block, hourglass, 2x upsampling with batch norm, and a 1x1 convolution to the masks."""

    def __init__(
        self,
        *,
        num_classes: int,
        kind: str = "hourglass20",
        width: int = WIDTH,
        initial_values: str = "balanced",
        batch_norm: str = "trained",
        class_agnostic: bool = True,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_classes: with background.
            kind: a key of `HOURGLASSES`.
            width: channels of the input block and of the upsampling, which the table's numbers multiply.
            initial_values: a key of `INITIAL_VALUES`.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            class_agnostic: whether a region has one mask for all classes.
            feature_dtype: dtype of the convolutions; the logits are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_classes, self.class_agnostic, self.kind = num_classes, class_agnostic, kind
        self.feature_dtype = feature_dtype
        common: dict[str, Any] = {"batch_norm": batch_norm, "feature_dtype": feature_dtype}
        channels = tuple(width * number for number in HOURGLASSES[kind].channels)
        self.body = [
            _unit(width, 3, name=f"{START}_input", **common),
            ResidualBlock(channels[0], projects=True, name=f"{START}_input_block", **common),
            Hourglass(channels, HOURGLASSES[kind].blocks, name=f"{START}1", **common),
            _unit(channels[0], 3, name=f"{START}_output", **common),
        ]
        self.upsampling = Upsampling(width, feature_dtype=feature_dtype, name=f"{START}_deconv")
        self.norm = BatchNorm(batch_norm, epsilon=EPSILON, name=f"{START}_deconv_bn")
        self.logits = Convolution(
            1 if class_agnostic else num_classes,
            1,
            kernel_initializer=INITIAL_VALUES[initial_values].mask_logits,
            feature_dtype=feature_dtype,
            name=f"{START}_logits",
        )

    @property
    def class_layers(self) -> tuple[str, ...]:
        """Names of the layers whose shapes depend on the classes."""
        return () if self.class_agnostic else (self.logits.name,)

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        _build(self.body, input_shape)
        self.upsampling.build((*input_shape[:-1], self.body[-1].conv.filters))
        shape = (*input_shape[:-1], self.upsampling.filters)
        self.norm.build(shape)
        self.logits.build(shape)

    def call(self, regions: Tensor, training: bool = False) -> Tensor:
        """Computes the mask logits of regions.

        Args:
            regions: `[P, S, S, C]`, at least one region; S must be divisible by 2 as often as the hourglass halves it.
            training: whether batch norm may use the batch's statistics.

        Returns:
            `[P, 2S, 2S, 1]` float32 with `class_agnostic`, else `[P, 2S, 2S, num_classes]`.
        """
        outputs = regions
        for layer in self.body:
            outputs = layer(outputs, training=training)
        outputs = ops.cast(self.upsampling(outputs), "float32")
        outputs = ops.relu(self.norm(outputs, training=self.norm.uses_batch_statistics(training)))
        return ops.cast(self.logits(outputs), "float32")


def _unit(
    filters: int,
    kernel_size: int,
    *,
    batch_norm: str,
    feature_dtype: str,
    name: str,
    strides: int = 1,
    relu: bool = True,
) -> ConvNorm:
    conv = Convolution(filters, kernel_size, strides=strides, use_bias=False, feature_dtype=feature_dtype, name=name)
    return ConvNorm(conv, BatchNorm(batch_norm, epsilon=EPSILON, name=f"{name}_bn"), relu=relu)


def _blocks(
    name: str, filters: int, count: int, *, strides: int = 1, last: int | None = None, **common: Any
) -> list[ResidualBlock]:
    """Builds the residual blocks of one path of a level.

    Args:
        name: how the blocks' names begin; their numbers follow.
        filters: output channels.
        count: number of blocks.
        strides: of the first block.
        last: output channels of the last block; None for `filters`.
        **common: of the blocks.
    """
    blocks = []
    for number in range(1, count + 1):
        wide = last if last and number == count else filters
        first = strides if number == 1 else 1
        projects = first > 1 or wide != filters
        blocks.append(ResidualBlock(wide, strides=first, projects=projects, name=f"{name}{number}", **common))
    return blocks


def _build(layers: list[keras.layers.Layer], input_shape: Shape) -> None:
    """Builds layers that follow each other."""
    for layer in layers:
        layer.build(input_shape)
        input_shape = (*input_shape[:-1], _channels(layer, input_shape[-1]))


def _channels(layer: keras.layers.Layer, before: int) -> int:
    """Returns the output channels of a layer, which are those of its input for an hourglass."""
    if isinstance(layer, ResidualBlock):
        return layer.second.conv.filters
    return layer.conv.filters if isinstance(layer, ConvNorm) else before
