"""The anchors of a feature pyramid, as a layer."""

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import anchors


class AnchorGenerator(Float32Layer):
    """Places anchors on every cell of every level; needs static map sizes."""

    def __init__(
        self,
        *,
        sizes: tuple[float, ...] = (32, 64, 128, 256, 512),
        aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        strides: tuple[int, ...] = (4, 8, 16, 32, 64),
        offset: float = 0.0,
        **kwargs,
    ):
        """Takes one size and stride per level; `offset` moves the centres by a share of the stride."""
        super().__init__(**kwargs)
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.strides = strides
        self.offset = offset

    def call(self, features):
        """Gives `[A, 4]` float32 anchors for maps `[B, Hl, Wl, C]`, level by level, row by row, ratio last."""
        shapes = [tuple(feature.shape[1:3]) for feature in features]
        boxes = anchors.pyramid_anchors(
            shapes,
            strides=tuple(self.strides),
            sizes=tuple(self.sizes),
            aspect_ratios=tuple(self.aspect_ratios),
            offset=self.offset,
        )
        return ops.convert_to_tensor(boxes, dtype="float32")

    def level_sizes(self, features) -> tuple[int, ...]:
        """Gives how many of the anchors belong to each of the maps."""
        return tuple(feature.shape[1] * feature.shape[2] * len(self.aspect_ratios) for feature in features)
