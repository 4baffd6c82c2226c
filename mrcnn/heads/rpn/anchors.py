"""Layer that places the anchors of a feature pyramid."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import anchors
from mrcnn.structures import Count, Tensor


class AnchorGenerator(Float32Layer):
    """Places anchors on every cell of every level."""

    def __init__(
        self,
        *,
        sizes: tuple[float, ...] = (32, 64, 128, 256, 512),
        aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        strides: tuple[int, ...] = (4, 8, 16, 32, 64),
        offset: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            sizes: square root of an anchor's area in pixels, one per level.
            aspect_ratios: width / height of the anchors of a cell.
            strides: pixels of the model input between two cells, one per level.
            offset: position of an anchor's centre in its cell, in strides: 0 the corner, 0.5 the middle.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.strides = strides
        self.offset = offset

    def call(self, features: Sequence[Tensor]) -> Tensor:
        """Computes the anchors of feature maps.

        Args:
            features: one map `[B, Hl, Wl, C]` per level.

        Returns:
            `[A, 4]` float32, yxyx pixels of the model input, not clipped: level by level, row by row, ratio last.
        """
        shapes = [ops.shape(feature)[1:3] for feature in features]
        boxes = anchors.pyramid_anchors(
            shapes,
            strides=tuple(self.strides),
            sizes=tuple(self.sizes),
            aspect_ratios=tuple(self.aspect_ratios),
            offset=self.offset,
        )
        return ops.convert_to_tensor(boxes, dtype="float32")

    def level_sizes(self, features: Sequence[Tensor]) -> tuple[Count, ...]:
        """Counts the anchors of each map, in the order of the maps."""
        shapes = [ops.shape(feature) for feature in features]
        return tuple(height * width * len(self.aspect_ratios) for _, height, width, _ in shapes)
