"""Checks the pixels of an image and converts them to the channels of a model.

Shape letters: H W the image.
"""

from collections.abc import Iterable, Iterator

import numpy as np


def as_model_images(images: Iterable[np.ndarray], *, channels: int = 3) -> Iterator[np.ndarray]:
    """Yields images as `as_model_image` converts them.

    Raises:
        ValueError: an array is not an image; the message has its index.
    """
    for index, image in enumerate(images):
        try:
            yield as_model_image(image, channels=channels)
        except ValueError as error:
            raise ValueError(f"image {index}: {error}") from error


def as_model_image(image: np.ndarray, *, channels: int = 3) -> np.ndarray:
    """Converts an image to the model's channel count.

    For a model of 3 channels, grey becomes three equal channels and an alpha channel is dropped.

    Args:
        image: `[H, W]`, `[H, W, 1]`, `[H, W, 3]` RGB or `[H, W, 4]` RGBA uint8; for a model of other than 3 channels
            `[H, W, channels]`.
        channels: channel count of the model input.

    Returns:
        `[H, W, channels]` uint8.

    Raises:
        ValueError: the array has another dtype or shape.
    """
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise ValueError(f"an image must be uint8 with values 0..255, got {pixels.dtype}; convert it first")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"an image must be [height, width] or [height, width, channels], got {list(pixels.shape)}")
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3 and pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if channels == 3 and pixels.shape[2] == 4:
        return pixels[..., :3]
    raise ValueError(f"the model takes images with {channels} channels, got {pixels.shape[2]}")
