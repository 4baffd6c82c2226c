"""Layer that places the anchors of a feature pyramid."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import anchors
from mrcnn.structures import Count, Size, Tensor


class AnchorGenerator(Float32Layer):
    """Places anchors on every cell of every level."""

    def __init__(
        self,
        *,
        sizes: tuple[float, ...] = (32, 64, 128, 256, 512),
        aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        strides: tuple[int, ...] | None = (4, 8, 16, 32, 64),
        offset: float = 0.0,
        rounded: bool = False,
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            sizes: square root of an anchor's area in pixels, one per level.
            aspect_ratios: width / height of the anchors of a cell.
            strides: pixels of the model input between two cells, one per level; None: the sides of the model input
                divided by those of each map, rounded down, as in torchvision.
            offset: position of an anchor's centre in its cell, in strides: 0 the corner, 0.5 the middle.
            rounded: as in `ops.anchors.level_anchors`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.strides = strides
        self.offset = offset
        self.rounded = rounded

    def call(self, features: Sequence[Tensor], image_size: Size | None = None) -> Tensor:
        """Computes the anchors of feature maps.

        Args:
            features: one map `[B, Hl, Wl, C]` per level.
            image_size: (H, W) of the model input; needed without `strides`.

        Returns:
            `[A, 4]` float32, yxyx pixels of the model input, not clipped: level by level, row by row, ratio last.
        """
        shapes = [ops.shape(feature)[1:3] for feature in features]
        boxes = anchors.pyramid_anchors(
            shapes,
            strides=self._strides(shapes, image_size),
            sizes=tuple(self.sizes),
            aspect_ratios=tuple(self.aspect_ratios),
            offset=self.offset,
            rounded=self.rounded,
        )
        return ops.convert_to_tensor(boxes, dtype="float32")

    def _strides(
        self, shapes: Sequence[tuple[Count, Count]], image_size: Size | None
    ) -> tuple[Count | tuple[Count, Count], ...]:
        if self.strides is not None:
            return tuple(self.strides)
        if image_size is None:
            raise ValueError("anchors without `strides` need the size of the model input")
        return tuple((_quotient(image_size[0], height), _quotient(image_size[1], width)) for height, width in shapes)

    def level_sizes(self, features: Sequence[Tensor]) -> tuple[Count, ...]:
        """Counts the anchors of each map, in the order of the maps."""
        shapes = [ops.shape(feature) for feature in features]
        return tuple(height * width * len(self.aspect_ratios) for _, height, width, _ in shapes)


def _quotient(side: Count, cells: Count) -> Count:
    """Divides a side by a number of cells, rounded down."""
    if isinstance(side, int) and isinstance(cells, int):
        return side // cells
    return ops.cast(side, "int32") // ops.cast(cells, "int32")
