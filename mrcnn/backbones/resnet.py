"""ResNet-50 and ResNet-101 in the forms of Matterport, torchvision and detectron2.

Matterport's stages have their stride in the first 1x1 convolution, and every convolution has a bias. torchvision's have
it in the 3x3 convolution and no bias; detectron2's published weights have it in the 1x1 convolution and no bias.
Source: He et al. (2015), table 1; layer names are Matterport's, so old weight files fit.
"""

from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.norm import EPSILON, BatchNorm, ConvNorm
from mrcnn.structures import Tensor

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
# as Matterport: He's rule doubles the variance in every block, and frozen statistics do not normalise it
INITIALIZER = "glorot_uniform"
WIDTHS = (64, 128, 256, 512)  # of the inner convolutions of stages 2..5; the outputs have four times as many channels
CHANNELS = tuple(4 * width for width in WIDTHS)  # of C2..C5
STRIDE_PLACES = ("1x1", "3x3")


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
        stride_in: str = "1x1",
        use_bias: bool = True,
        batch_norm: str = "frozen",
        epsilon: float = EPSILON,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the block's convolutions.

        Args:
            block: the block's name in weight files, e.g. `2a`.
            width: channels of the inner convolutions; the output has four times as many.
            strides: input cells from one output cell to the next.
            project: whether the shortcut is a convolution.
            stride_in: the convolution that has the stride, one of `STRIDE_PLACES`.
            use_bias: whether the convolutions have a bias.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            epsilon: of the batch norms.
            feature_dtype: dtype of the convolutions and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        if stride_in not in STRIDE_PLACES:
            raise ValueError(f"stride_in must be one of {', '.join(STRIDE_PLACES)}, got {stride_in!r}")
        outer, inner = (strides, 1) if stride_in == "1x1" else (1, strides)

        def unit(branch: str, filters: int, size: int, *, strides: int = 1, relu: bool = True) -> ConvNorm:
            conv = Convolution(
                filters,
                size,
                strides=strides,
                padding="symmetric" if strides > 1 and size > 1 else "same",
                use_bias=use_bias,
                kernel_initializer=INITIALIZER,
                feature_dtype=feature_dtype,
                name=f"res{block}_branch{branch}",
            )
            return ConvNorm(conv, BatchNorm(batch_norm, epsilon=epsilon, name=f"bn{block}_branch{branch}"), relu=relu)

        self.reduce = unit("2a", width, 1, strides=outer)
        self.convolve = unit("2b", width, 3, strides=inner)
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
        stride_in: str = "1x1",
        use_bias: bool = True,
        pool_padding: str = "same",
        batch_norm: str = "frozen",
        epsilon: float = EPSILON,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the stem and the stages.

        Args:
            depth: a key of `BLOCKS`.
            stride_in: the convolution of a block that has the stride, one of `STRIDE_PLACES`.
            use_bias: whether the convolutions have a bias.
            pool_padding: of the stem's 3x3 maximum pooling: `same` (at the end of a map of even sides, Matterport) or
                `symmetric` (a cell on each side, torchvision and detectron2).
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            epsilon: of the batch norms.
            feature_dtype: dtype of the convolutions and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.pool_padding = pool_padding
        stem = Convolution(
            64,
            7,
            strides=2,
            padding="symmetric",
            use_bias=use_bias,
            kernel_initializer=INITIALIZER,
            feature_dtype=feature_dtype,
            name="conv1",
        )
        self.stem = ConvNorm(stem, BatchNorm(batch_norm, epsilon=epsilon, name="bn_conv1"))
        common: dict[str, Any] = {
            "stride_in": stride_in,
            "use_bias": use_bias,
            "batch_norm": batch_norm,
            "epsilon": epsilon,
            "feature_dtype": feature_dtype,
        }
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
        outputs = self.stem(images, training=training)
        if self.pool_padding == "symmetric":  # the values are not negative, so zeros never win
            outputs = ops.pad(outputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
            outputs = ops.max_pool(outputs, 3, strides=2, padding="valid")
        else:
            outputs = ops.max_pool(outputs, 3, strides=2, padding="same")
        features = []
        for stage in self.stages:
            for block in stage:
                outputs = block(outputs, training=training)
            features.append(outputs)
        return tuple(features)
