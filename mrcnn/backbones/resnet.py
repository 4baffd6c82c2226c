"""ResNet-50 and ResNet-101 as Matterport builds them.

A stage's stride is in the first 1x1 convolution of its first block, and every convolution has a bias.
Source: He et al. (2015), table 1; layer names and padding are Matterport's, so old weight files fit.
"""

from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.norm import ConvNorm
from mrcnn.structures import Tensor

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
# as Matterport: He's rule doubles the variance in every block, and frozen statistics do not normalise it
INITIALIZER = "glorot_uniform"
WIDTHS = (64, 128, 256, 512)  # of the inner convolutions of stages 2..5; the outputs have four times as many channels
CHANNELS = tuple(4 * width for width in WIDTHS)  # of C2..C5


class Bottleneck(Float32Layer):
    """Residual block of a 1x1, a 3x3 and a 1x1 convolution, with a shortcut.

    The shortcut is a 1x1 convolution in the first block of a stage, else the identity.
    """

    def __init__(
        self,
        *,
        block: str,
        width: int,
        strides: int = 1,
        project: bool = False,
        batch_norm: str = "frozen",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the block's convolutions.

        Args:
            block: the block's name in weight files, e.g. `2a`.
            width: channels of the inner convolutions; the output has four times as many.
            strides: input cells from one output cell to the next.
            project: whether the shortcut is a convolution.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            feature_dtype: dtype of the convolutions and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)

        def unit(branch: str, filters: int, size: int, **more: Any) -> ConvNorm:
            return ConvNorm(
                filters,
                size,
                conv_name=f"res{block}_branch{branch}",
                norm_name=f"bn{block}_branch{branch}",
                kernel_initializer=INITIALIZER,
                batch_norm=batch_norm,
                feature_dtype=feature_dtype,
                **more,
            )

        self.reduce = unit("2a", width, 1, strides=strides)
        self.convolve = unit("2b", width, 3)
        self.expand = unit("2c", 4 * width, 1, relu=False)
        self.shortcut = unit("1", 4 * width, 1, strides=strides, relu=False) if project else None

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        width = self.reduce.conv.filters
        self.reduce.build(input_shape)
        self.convolve.build((*input_shape[:-1], width))
        self.expand.build((*input_shape[:-1], width))
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Adds the convolutions' output to the shortcut and applies a ReLU.

        Args:
            inputs: `[B, H, W, C]`.
            training: whether batch norm may use the batch's statistics.

        Returns:
            `[B, H / strides, W / strides, 4 * width]`.
        """
        outputs = self.reduce(inputs, training=training)
        outputs = self.convolve(outputs, training=training)
        outputs = self.expand(outputs, training=training)
        shortcut = inputs if self.shortcut is None else self.shortcut(inputs, training=training)
        return ops.relu(outputs + shortcut)


class ResNet(Float32Layer):
    """ResNet backbone: a stem and four stages of bottleneck blocks."""

    def __init__(
        self,
        *,
        depth: str = "resnet101",
        batch_norm: str = "frozen",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the stem and the stages.

        Args:
            depth: a key of `BLOCKS`.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            feature_dtype: dtype of the convolutions and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        common: dict[str, Any] = {"batch_norm": batch_norm, "feature_dtype": feature_dtype}
        self.stem = ConvNorm(
            64,
            7,
            conv_name="conv1",
            norm_name="bn_conv1",
            strides=2,
            padding="valid",
            kernel_initializer=INITIALIZER,
            **common,
        )
        self.stages = [
            [
                Bottleneck(
                    block=f"{stage}{chr(ord('a') + index)}",
                    width=width,
                    strides=2 if index == 0 and stage > 2 else 1,
                    project=index == 0,
                    **common,
                )
                for index in range(count)
            ]
            for stage, (count, width) in enumerate(zip(BLOCKS[depth], WIDTHS, strict=True), start=2)
        ]

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        self.stem.build(input_shape)
        channels = self.stem.conv.filters
        for stage in self.stages:
            for block in stage:
                block.build((*input_shape[:-1], channels))
                channels = block.expand.conv.filters

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Computes the feature maps of a batch of images.

        Args:
            images: `[B, H, W, channels]` float, mean-subtracted.
            training: whether batch norm may use the batch's statistics.

        Returns:
            C2, C3, C4 and C5 of strides 4, 8, 16 and 32, each `[B, Hl, Wl, C]` with the channels of `CHANNELS`.
        """
        outputs = ops.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)))
        outputs = self.stem(outputs, training=training)
        outputs = ops.max_pool(outputs, 3, strides=2, padding="same")
        features = []
        for stage in self.stages:
            for block in stage:
                outputs = block(outputs, training=training)
            features.append(outputs)
        return tuple(features)
