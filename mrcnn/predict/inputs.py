"""Converts an input of `Predictor` (file, Pillow image or array) into an array."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mrcnn.images import pixels as image_files
from mrcnn.images import value_range

Input = str | os.PathLike | Image.Image | np.ndarray
SINGLE = (str, os.PathLike, Image.Image)
GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N")
WITHOUT_SCALE = ("I", "F")  # Pillow modes whose values have no known range
PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by channel count of the model


def check_many(images: Any) -> None:
    """Checks that `images` is a list of images, not a single image.

    Without this check a path given as text would be read letter by letter.

    Raises:
        ValueError: `images` is a path, a Pillow image or an array with fewer than 4 axes.
    """
    if isinstance(images, SINGLE) or (isinstance(images, np.ndarray) and images.ndim < 4):
        kind = "array" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"`images` must be a list of images, got a single {kind}; put it in a list: [image]")


def read_all(images: Iterable[Any], *, channels: int, image_range: int | None = None) -> Iterator[np.ndarray]:
    """Yields each image as an array and reads `images` only as needed.

    Args:
        images: the images, as for `read`.
        channels: channel count of the model input.
        image_range: as for `read`.

    Raises:
        ValueError: an image cannot be read; the message has its index in the list.
    """
    for index, image in enumerate(images):
        try:
            yield read(image, channels=channels, image_range=image_range)
        except ValueError as error:
            raise ValueError(f"image {index}: {error}") from error


def read(image: Any, *, channels: int, image_range: int | None = None) -> np.ndarray:
    """Reads one image as an array.

    Args:
        image: a path; a Pillow image of any mode except those in `WITHOUT_SCALE`, rotated by its EXIF orientation; or
            an array, which is returned unchanged.
        channels: channel count of the model input.
        image_range: the value of 16-bit images that becomes 255; None for 65535.

    Returns:
        `[H, W, channels]` uint8 for a path or a Pillow image.

    Raises:
        ValueError: the image cannot be read; the message is one line.
    """
    if isinstance(image, str | os.PathLike):
        return image_files.read_image(image, channels, image_range=image_range)
    if isinstance(image, Image.Image):
        return _read_pillow(image, channels, image_range)
    return np.asarray(image)


def _read_pillow(image: Image.Image, channels: int, image_range: int | None) -> np.ndarray:
    if image.mode in WITHOUT_SCALE:
        raise ValueError(
            f"a Pillow image of mode {image.mode} has values without a known range; convert it to L or RGB"
        )
    if channels not in PILLOW_MODES:
        raise ValueError(f"the model takes images with {channels} channels, which no Pillow image has; give an array")
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in GREY_16:
            values = np.asarray(upright).astype(np.uint16)  # converts to the native byte order
            upright = Image.fromarray(value_range.to_8_bits(values, image_range))
        return np.asarray(upright.convert(PILLOW_MODES[channels]))
    except (OSError, SyntaxError) as error:  # Pillow reads an opened file's pixels only here
        raise ValueError(f"the Pillow image cannot be read: {error}") from error
