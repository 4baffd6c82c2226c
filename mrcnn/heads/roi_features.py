"""Features of regions, cut from the pyramid level that fits each region's size."""

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import levels, roi_align


class RoiFeatures(Float32Layer):
    """RoIAlign over a feature pyramid (P2..P5)."""

    def __init__(
        self,
        *,
        output_size: int = 7,
        mode: str = "crop_and_resize",
        sampling_ratio: int = 1,
        **kwargs,
    ):
        """Takes the side of the cut-out; `mode` and `sampling_ratio` are those of `ops.roi_align.roi_align`."""
        super().__init__(**kwargs)
        self.output_size = output_size
        self.mode = mode
        self.sampling_ratio = sampling_ratio

    def call(self, features, rois, image_index, *, image_size, extent=None):
        """Gives `[P, S, S, C]` in the features' dtype.

        Args:
            features: P2..P5, each `[B, Hl, Wl, C]`.
            rois: `[P, 4]` float32.
            image_index: `[P]` int32, the image of each region.
            image_size: (H, W) of the model input, Python ints.
            extent: its sides in the regions' frame; None where that is pixels.
        """
        extent = extent or image_size
        rounding = "round" if self.mode == "crop_and_resize" else "floor"
        to_pixels = [image_size[axis % 2] / extent[axis % 2] for axis in range(4)]
        level = levels.assign_levels(rois * ops.convert_to_tensor(to_pixels, dtype="float32"), rounding=rounding)
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
