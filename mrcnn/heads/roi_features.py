"""Features of regions, sampled from the pyramid level that fits each region's size."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import levels, roi_align
from mrcnn.structures import Size, Tensor


class RoiFeatures(Float32Layer):
    """RoIAlign over a feature pyramid (P2..P5)."""

    def __init__(
        self,
        *,
        output_size: int = 7,
        mode: str = "crop_and_resize",
        sampling_ratio: int = 1,
        level_margin: float = 0.0,
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            output_size: S, side of a region's features in cells.
            mode: as for `ops.roi_align.roi_align`.
            sampling_ratio: as for `ops.roi_align.roi_align`.
            level_margin: the `margin` of `ops.levels.assign_levels`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.output_size = output_size
        self.mode = mode
        self.sampling_ratio = sampling_ratio
        self.level_margin = level_margin

    def call(
        self,
        features: Sequence[Tensor],
        rois: Tensor,
        image_index: Tensor,
        *,
        image_size: Size,
        extent: Size | None = None,
    ) -> Tensor:
        """Samples the features of regions from the level that fits each one's size.

        Args:
            features: P2..P5, each `[B, Hl, Wl, C]`.
            rois: `[P, 4]` float32, yxyx.
            image_index: `[P]` int32, the image of each region.
            image_size: (H, W) of the model input.
            extent: sides of the model input in the frame of `rois`; None for a frame of pixels.

        Returns:
            `[P, S, S, C]` in the features' dtype.
        """
        extent = extent or image_size
        rounding = "round" if self.mode == "crop_and_resize" else "floor"
        to_pixels = [image_size[axis % 2] / extent[axis % 2] for axis in range(4)]
        level = levels.assign_levels(
            rois * ops.convert_to_tensor(to_pixels, dtype="float32"), rounding=rounding, margin=self.level_margin
        )
        return roi_align.roi_align(
            features,
            rois,
            level,
            image_index=image_index,
            image_size=extent,
            output_size=self.output_size,
            mode=self.mode,
            sampling_ratio=self.sampling_ratio,
        )
