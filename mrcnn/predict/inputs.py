"""Converts the inputs of `Predictor` (files, folders, patterns, URLs, Pillow images, arrays) into arrays."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mrcnn.images import pixels, value_range
from mrcnn.predict import image_files, url_images

Input = str | os.PathLike | Image.Image | np.ndarray
Inputs = Iterable[Input] | os.PathLike  # a text is an iterable too
SINGLE = (str, os.PathLike, Image.Image)
GREY_16 = ("I;16", "I;16B", "I;16L", "I;16N")
WITHOUT_SCALE = ("I", "F")  # Pillow modes whose values have no known range
PILLOW_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by channel count of the model
FIRST_TO = {"La": "LA", "LAB": "RGB"}  # modes that Pillow converts to others only through one


def as_many(images: Any, *, allow_urls: bool = False) -> Iterable[Any]:
    """Checks that `images` are several images: a list of inputs, or a folder or pattern.

    Without this check a path given as text would be read letter by letter. Of a list or tuple also the URLs are
    checked, so that a wrong one does not end a long run in its middle.

    Returns:
        `images`, a folder or pattern as a list of one.

    Raises:
        ValueError: `images` is the path or URL of a file, a Pillow image, an array with fewer than 4 axes, or nothing
            that can be iterated over; or there is a URL that is not allowed.
    """
    if is_several(images):
        return [images]
    if isinstance(images, SINGLE) or (isinstance(images, np.ndarray) and images.ndim < 4):
        kind = "array" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(
            f"`images` must be a list of images, a pattern or an existing folder, got a single {kind}; put an image in "
            "a list: [image]"
        )
    if not isinstance(images, Iterable):
        raise ValueError(f"`images` must be a list of images, a pattern or an existing folder, got {images!r}")
    for index, image in enumerate(images if isinstance(images, list | tuple) else ()):
        try:
            url_images.check_allowed(image, allow_urls=allow_urls)
        except ValueError as error:
            raise ValueError(f"image {index}: {error}") from error
    return images


def is_several(image: Any) -> bool:
    """Checks whether an input is a folder, or a pattern with `*`, `?` or `[` that is no path of a file."""
    if not isinstance(image, str | os.PathLike) or url_images.is_url(image):
        return False
    path = os.fspath(image)
    # unlike those of `pathlib`, these functions accept a text that is too long for a path, and read none as a folder
    return os.path.isdir(path) or (glob.has_magic(path) and not os.path.exists(path))


def read_all(
    images: Iterable[Any],
    *,
    channels: int,
    image_range: int | None = None,
    allow_urls: bool = False,
    warn: Callable[[str], None] = lambda line: None,
) -> Iterator[np.ndarray]:
    """Yields each image as an array and reads `images` only as needed.

    Args:
        images: the images, as for `read`; also folders and patterns, of which each image is read, sorted by folder and
            name, and URLs.
        channels: channel count of the model input.
        image_range: as for `read`.
        allow_urls: download URLs, within the limits of `url_images`.
        warn: called with a line for each folder or pattern of which files or folders are passed over.

    Raises:
        ValueError: an image cannot be read, or a folder or pattern has none; the message has the number of images
            before it.
    """
    index = 0
    for given in images:
        try:
            for image in _expanded(given, warn):
                yield _read_any(image, channels=channels, image_range=image_range, allow_urls=allow_urls)
                index += 1
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
        return pixels.read_image(image, channels, image_range=image_range)
    if isinstance(image, Image.Image):
        return _read_pillow(image, channels, image_range)
    return np.asarray(image)


def _expanded(image: Any, warn: Callable[[str], None]) -> Iterable[Any]:
    """Lists the images of a folder or pattern; any other input is an image itself."""
    if not is_several(image):
        return [image]
    found = image_files.find(image, hint="the pattern ** looks into them")
    for line in found.warnings:
        warn(line)
    return found.paths


def _read_any(image: Any, *, channels: int, image_range: int | None, allow_urls: bool) -> np.ndarray:
    if not url_images.is_url(image):
        return read(image, channels=channels, image_range=image_range)
    url_images.check_allowed(image, allow_urls=allow_urls)
    return pixels.decode_image(url_images.fetch(image), channels, name=url_images.shown(image), image_range=image_range)


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
        elif upright.mode in FIRST_TO:
            upright = upright.convert(FIRST_TO[upright.mode])
        return np.asarray(upright.convert(PILLOW_MODES[channels]))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow reads an opened file's pixels only here
        raise ValueError(f"the Pillow image cannot be read: {error}") from error
