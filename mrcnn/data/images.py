"""Reads image files as RGB arrays, upright.

Source: OpenCV's colour mode, as the original reads: alpha dropped, grey expanded, 16 bits reduced to 8, EXIF
orientation applied.
"""

import contextlib
import os
import warnings

import cv2
import numpy as np
from PIL import Image

from mrcnn.events import UserError

EXIF_ORIENTATION = 0x0112  # the tag; values 5 to 8 exchange height and width


def read_image(path: str | os.PathLike[str], channels: int = 3) -> np.ndarray:
    """Reads an image file.

    Args:
        path: a file of any format OpenCV decodes.
        channels: how many the result has. 3 is RGB and 1 is grey, from any file; with another number the file itself
            must have as many, and then keeps them (4 is RGBA) and is not turned by its EXIF orientation.

    Returns:
        `[H, W, channels]` uint8, contiguous. 16-bit values are divided by 256 (TIFF: 257).

    Raises:
        UserError: there is no such file, it cannot be decoded or is cut off, or it has other channels or a depth
            other than 8 or 16 bits; names the file.
    """
    return decode_image(_read_bytes(path), channels, name=os.fspath(path))


def decode_image(data: np.ndarray, channels: int = 3, *, name: str) -> np.ndarray:
    """Decodes the bytes of an image file, `[n]` uint8; `name` is what an error calls it; else as `read_image`."""
    flags = {3: cv2.IMREAD_COLOR, 1: cv2.IMREAD_GRAYSCALE}.get(channels, cv2.IMREAD_UNCHANGED)
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise UserError(f"cannot decode the image {name}: {error.err or error}") from error
    if image is None:
        raise UserError(f"cannot decode the image {name}: it is cut off or in no known format")
    image = np.atleast_3d(np.asarray(image))
    if image.shape[-1] != channels:
        raise UserError(f"the image {name} must have {channels} channels (`model.channels`), got {image.shape[-1]}")
    if image.dtype == np.uint16:
        image = (image // 256).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UserError(f"the image {name} must have 8 or 16 bits a channel, got {image.dtype}; convert it")
    conversion = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Reads (height, width) of the upright image from the file's header, pixels.

    Raises:
        UserError: as `read_image`.
    """
    known = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for a bad file
    with contextlib.suppress(*known), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a large image or an odd EXIF block: neither concerns the size
        with Image.open(path) as image:
            if image.format != "TIFF":  # Pillow versions differ in whether its size is the upright one
                width, height = image.size
                turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
                return (width, height) if turned else (height, width)
    height, width = read_image(path).shape[:2]
    return height, width


def _read_bytes(path: str | os.PathLike[str]) -> np.ndarray:
    try:
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read the image {os.fspath(path)}: {error.strerror or error}") from error
