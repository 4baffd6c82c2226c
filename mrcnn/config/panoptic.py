"""How detections and a semantic map are merged to a panoptic segmentation.

Source: detectron2's `PANOPTIC_FPN.COMBINE` for the defaults.
"""

from pydantic import Field

from mrcnn.config.base import Fraction, Index, Settings


class PanopticConfig(Settings):
    """How the detections of an image and its semantic map become one segment for each pixel."""

    score_threshold: Fraction = Field(default=0.5, description="detections that score less are left out")
    overlap: Fraction = Field(
        default=0.5, description="a detection is left out if a larger share of its mask lies in those of better ones"
    )
    stuff_area: Index = Field(
        default=4096,
        description=(
            "pixels of the image that a class of `special_classes.stuff` must have beside the detections; with fewer "
            "it is left out. The default suits photographs of 640 x 480 pixels"
        ),
    )
