"""The semantic head's network.

Source: Kirillov et al. (2019), Panoptic Feature Pyramid Networks, section 3.1; detectron2's `SemSegFPNHead`.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.structures import Tensor

LEVELS = (2, 3, 4, 5)
CHANNELS, GROUPS = 128, 32
EPSILON = 1e-5


class SemanticNetwork(Float32Layer):
    """Scales each level of a pyramid to that of P2, adds them up, and predicts the class of each cell.

    P2 has one 3x3 convolution, P3 one, P4 two and P5 three, each with group norm and ReLU, and from P3 on each is
    followed by bilinear doubling.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = CHANNELS,
        groups: int = GROUPS,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_classes: classes of the map: one for all things, and the stuff classes.
            channels: width of the convolutions, a multiple of `groups`.
            groups: of the group norm.
            feature_dtype: dtype of the convolutions; norms and logits are float32.
            **kwargs: of the Keras layer.

        Raises:
            ValueError: `channels` is no multiple of `groups`.
        """
        super().__init__(**kwargs)
        if channels % groups:
            raise ValueError(f"the width of a semantic head must be a multiple of {groups}, got {channels}")
        self.num_classes, self.channels, self.groups, self.feature_dtype = num_classes, channels, groups, feature_dtype
        self.convolutions = [[self._convolution(level, index) for index in _numbers(level)] for level in LEVELS]
        self.norms = [[self._norm(level, index) for index in _numbers(level)] for level in LEVELS]
        self.predictor = Convolution(num_classes, 1, feature_dtype=feature_dtype, name="mrcnn_semantic_predictor")

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for maps `[B, Hl, Wl, C]` of one width."""
        inside = (*input_shape[:-1], self.channels)
        for convolutions, norms in zip(self.convolutions, self.norms, strict=True):
            for index, (convolution, norm) in enumerate(zip(convolutions, norms, strict=True)):
                convolution.build(inside if index else input_shape)
                norm.build(inside)
        self.predictor.build(inside)

    def call(self, pyramid: Sequence[Tensor]) -> Tensor:
        """Predicts the class of each cell of P2.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`, each with half the sides of the one before.

        Returns:
            `[B, H2, W2, num_classes]` float32 logits.
        """
        total: Tensor = 0.0
        for level, features in enumerate(pyramid):
            for convolution, norm in zip(self.convolutions[level], self.norms[level], strict=True):
                features = ops.relu(norm(ops.cast(convolution(features), "float32")))
                features = enlarged(features, 2) if level else features
            total = total + features
        return ops.cast(self.predictor(total), "float32")

    def _convolution(self, level: int, index: int) -> Convolution:
        name = f"mrcnn_semantic_p{level}_conv{index}"
        return Convolution(self.channels, 3, use_bias=False, feature_dtype=self.feature_dtype, name=name)

    def _norm(self, level: int, index: int) -> keras.layers.Layer:
        return keras.layers.GroupNormalization(
            self.groups, epsilon=EPSILON, dtype="float32", name=f"mrcnn_semantic_p{level}_norm{index}"
        )


def enlarged(maps: Tensor, factor: int) -> Tensor:
    """Enlarges maps by a whole factor, bilinear between the middles of cells, with repeated edges.

    Unlike Keras's resize it works where a graph does not know the sides.

    Args:
        maps: `[B, h, w, C]` float32.
        factor: at least 1.

    Returns:
        `[B, h * factor, w * factor, C]` float32.
    """
    batch, height, width, channels = ops.shape(maps)
    rows = _between(maps[:, :1], maps, maps[:, -1:], axis=1, factor=factor)  # [B, h, factor, w, C]
    rows = ops.reshape(rows, (batch, height * factor, width, channels))
    both = _between(rows[:, :, :1], rows, rows[:, :, -1:], axis=2, factor=factor)  # [B, h * factor, w, factor, C]
    return ops.reshape(both, (batch, height * factor, width * factor, channels))


def _between(first: Tensor, maps: Tensor, last: Tensor, *, axis: int, factor: int) -> Tensor:
    """Reads `factor` values around the middle of each cell along an axis; they are a new axis behind it."""
    rest = (slice(None),) * axis
    before = ops.concatenate([first, maps[(*rest, slice(None, -1))]], axis=axis)
    after = ops.concatenate([maps[(*rest, slice(1, None))], last], axis=axis)
    shifts = [(number + 0.5) / factor - 0.5 for number in range(factor)]  # in cells
    values = [maps + abs(shift) * ((before if shift < 0 else after) - maps) for shift in shifts]
    return ops.stack(values, axis=axis + 1)


def _numbers(level: int) -> range:
    """Numbers the convolutions of a level from 1."""
    return range(1, max(1, level - LEVELS[0]) + 1)
