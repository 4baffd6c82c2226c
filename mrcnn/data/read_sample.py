"""The image and the objects of a sample, in pixels."""

import numpy as np

from mrcnn.data.rasterize import draw_sample
from mrcnn.errors import UserError
from mrcnn.images import pixels
from mrcnn.structures import Instances, Sample


def read_sample(
    sample: Sample, channels: int = 3, *, image_range: int | None = None, most: int | None = None
) -> tuple[np.ndarray, Instances]:
    """Reads the image of a sample and draws its objects.

    Args:
        sample: the image's path and annotation.
        channels: as for `pixels.read_annotated`.
        image_range: as for `pixels.read_annotated`.
        most: as for `pixels.read_annotated`.

    Returns:
        `[H, W, channels]` uint8, and the objects in pixels of this image.

    Raises:
        UserError: the image cannot be read, or its size is not the annotation's; the message names the file.
    """
    image = pixels.read_annotated(
        sample.image_path, channels, size_hw=sample.size_hw, image_range=image_range, most=most
    )
    height, width = image.shape[:2]
    if sample.size_hw not in (None, (height, width)):
        raise UserError(
            f"the annotation of {sample.image_path} is for {sample.size_hw[0]}x{sample.size_hw[1]} pixels "
            f"(height x width), the image has {height}x{width}; annotate it anew or correct `size`"
        )
    return image, draw_sample(sample, height=height, width=width)
