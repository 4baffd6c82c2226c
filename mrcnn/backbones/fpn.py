"""The feature pyramid network, without ReLU and, unless asked for, without batch norm.

Source: Lin et al. (2016); names as in Matterport; torchvision's second version for the batch norm.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.blocks.norm import EPSILON, BatchNorm, ConvNorm
from mrcnn.structures import Tensor


class FeaturePyramid(Float32Layer):
    """Top-down pathway with lateral connections; P6 is P5 subsampled, for the RPN only."""

    def __init__(
        self,
        *,
        channels: int = 256,
        initial_values: str = "he",
        batch_norm: str | None = None,
        epsilon: float = EPSILON,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the convolutions.

        Args:
            channels: of every level of the pyramid.
            initial_values: a key of `INITIAL_VALUES`.
            batch_norm: `frozen` or `trained`, see `BatchNorm`: each convolution has a batch norm and no bias; None for
                convolutions with a bias.
            epsilon: of the batch norms.
            feature_dtype: dtype of the convolutions and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        initial = INITIAL_VALUES[initial_values]

        def unit(name: str, size: int) -> ConvNorm:
            conv = Convolution(
                channels,
                size,
                use_bias=batch_norm is None,
                kernel_initializer=initial.pyramid,
                feature_dtype=feature_dtype,
                name=name,
            )
            norm = BatchNorm(batch_norm, epsilon=epsilon, name=f"{name}_bn") if batch_norm else None
            return ConvNorm(conv, norm, relu=False)

        self.lateral = [unit(f"fpn_c{level}p{level}", 1) for level in (2, 3, 4, 5)]
        self.smooth = [unit(f"fpn_p{level}", 3) for level in (2, 3, 4, 5)]

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Creates the weights; `input_shape` lists the shapes of C2..C5, only channels count."""
        for lateral, smooth, shape in zip(self.lateral, self.smooth, input_shape, strict=True):
            lateral.build(shape)
            smooth.build((*shape[:-1], lateral.conv.filters))

    def call(self, features: Sequence[Tensor], training: bool = False) -> tuple[Tensor, ...]:
        """Computes the pyramid's levels from the backbone's feature maps.

        Args:
            features: C2, C3, C4 and C5, each `[B, Hl, Wl, C]` with half the sides of the one before.
            training: whether batch norm may use the batch's statistics.

        Returns:
            P2, P3, P4, P5 and P6, each `[B, Hl, Wl, channels]`; P2..P5 have the sides of C2..C5, P6 half those of P5.
        """
        merged = [lateral(feature, training=training) for lateral, feature in zip(self.lateral, features, strict=True)]
        for finer in (2, 1, 0):
            merged[finer] = merged[finer] + upsample(merged[finer + 1])
        levels = [smooth(level, training=training) for smooth, level in zip(self.smooth, merged, strict=True)]
        return (*levels, levels[-1][:, ::2, ::2])


def upsample(feature: Tensor) -> Tensor:
    """Doubles height and width of a map `[B, H, W, C]` by repeating cells."""
    return ops.repeat(ops.repeat(feature, 2, axis=1), 2, axis=2)
