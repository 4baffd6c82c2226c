"""The feature pyramid network, without batch norm and ReLU.

Source: Lin et al. (2016); names as in Matterport.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.structures import Tensor


class FeaturePyramid(Float32Layer):
    """Top-down pathway with lateral connections; P6 is P5 subsampled, for the RPN only."""

    def __init__(
        self, *, channels: int = 256, initial_values: str = "he", feature_dtype: str = "float32", **kwargs: Any
    ) -> None:
        """Builds the convolutions.

        Args:
            channels: of every level of the pyramid.
            initial_values: a key of `INITIAL_VALUES`.
            feature_dtype: dtype of the convolutions and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        initial = INITIAL_VALUES[initial_values]
        common: dict[str, Any] = {"kernel_initializer": initial.pyramid, "feature_dtype": feature_dtype}
        self.lateral = [Convolution(channels, 1, name=f"fpn_c{level}p{level}", **common) for level in (2, 3, 4, 5)]
        self.smooth = [Convolution(channels, 3, name=f"fpn_p{level}", **common) for level in (2, 3, 4, 5)]

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Creates the weights; `input_shape` lists the shapes of C2..C5, only channels count."""
        for lateral, smooth, shape in zip(self.lateral, self.smooth, input_shape, strict=True):
            lateral.build(shape)
            smooth.build((*shape[:-1], lateral.filters))

    def call(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Computes the pyramid's levels from the backbone's feature maps.

        Args:
            features: C2, C3, C4 and C5, each `[B, Hl, Wl, C]` with half the sides of the one before.

        Returns:
            P2, P3, P4, P5 and P6, each `[B, Hl, Wl, channels]`; P2..P5 have the sides of C2..C5, P6 half those of P5.
        """
        merged = [lateral(feature) for lateral, feature in zip(self.lateral, features, strict=True)]
        for finer in (2, 1, 0):
            merged[finer] = merged[finer] + upsample(merged[finer + 1])
        levels = [smooth(level) for smooth, level in zip(self.smooth, merged, strict=True)]
        return (*levels, levels[-1][:, ::2, ::2])


def upsample(feature: Tensor) -> Tensor:
    """Doubles height and width of a map `[B, H, W, C]` by repeating cells."""
    return ops.repeat(ops.repeat(feature, 2, axis=1), 2, axis=2)
