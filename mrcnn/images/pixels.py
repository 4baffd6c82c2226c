"""Reads image files as upright RGB arrays.

Source: OpenCV's colour mode, as in the original: alpha dropped, grey expanded to RGB, 16 bits reduced to 8, EXIF
orientation applied. One deliberate difference: an image whose annotation has the size as stored is not turned.
"""

import os

import cv2
import numpy as np

from mrcnn.errors import UserError
from mrcnn.images import image_file, value_range


def read_image(
    path: str | os.PathLike[str], channels: int = 3, *, image_range: int | None = None, most: int | None = None
) -> np.ndarray:
    """Reads an image file.

    Args:
        path: a file in any format that OpenCV decodes.
        channels: of the result. 3 is RGB and 1 is grey, converted from any file; for another number the file must have
            exactly as many (4 is RGBA).
        image_range: value of 16-bit images that becomes 255 (`model.image_range`); None for 65535.
        most: maximum size of the decoded pixels, bytes; None for the default of `limits`.

    Returns:
        `[H, W, channels]` uint8, contiguous. Without `image_range` 16-bit values are divided by 256 (TIFF: 257).

    Raises:
        UserError: there is no such file, it cannot be decoded, is cut off or too large, or it has other channels or a
            depth other than 8 or 16 bits; the message names the file.
    """
    name = os.fspath(path)
    return decode_image(image_file.read_bytes(path), channels, name=name, image_range=image_range, most=most)


def read_annotated(
    path: str | os.PathLike[str],
    channels: int = 3,
    *,
    size_hw: tuple[int, int] | None,
    image_range: int | None = None,
    most: int | None = None,
) -> np.ndarray:
    """Reads an image in the orientation in which it was annotated.

    An image with an EXIF quarter turn stays as stored if only the stored size equals `size_hw`. Otherwise, also without
    a size or with one that fits neither orientation, it is upright.

    Args:
        path: as for `read_image`.
        channels: as for `read_image`.
        size_hw: height and width in the annotation; None where it has none.
        image_range: as for `read_image`.
        most: as for `read_image`.

    Returns:
        As from `read_image`.

    Raises:
        UserError: as `read_image`.
    """
    data, name = image_file.read_bytes(path), os.fspath(path)
    image = decode_image(data, channels, name=name, image_range=image_range, most=most)
    if size_hw in (None, image.shape[:2]) or size_hw != image.shape[1::-1]:
        return image
    stored = decode_image(data, channels, name=name, upright=False, image_range=image_range, most=most)
    return stored if stored.shape[:2] == size_hw else image


def decode_image(
    data: np.ndarray,
    channels: int = 3,
    *,
    name: str,
    upright: bool = True,
    image_range: int | None = None,
    most: int | None = None,
) -> np.ndarray:
    """Decodes the bytes of an image file.

    Args:
        data: `[n]` uint8, the file's bytes.
        channels: as for `read_image`.
        name: of the image, for error messages.
        upright: apply the EXIF orientation.
        image_range: as for `read_image`.
        most: as for `read_image`.

    Returns:
        As from `read_image`.

    Raises:
        UserError: as `read_image`, except for a missing file.
    """
    flags = {3: cv2.IMREAD_COLOR, 1: cv2.IMREAD_GRAYSCALE}.get(channels, cv2.IMREAD_UNCHANGED)
    if image_range is not None and flags != cv2.IMREAD_UNCHANGED:
        flags |= cv2.IMREAD_ANYDEPTH  # else OpenCV divides by 256 itself
    image = image_file.decode(data, flags if upright else flags | cv2.IMREAD_IGNORE_ORIENTATION, name=name, most=most)
    if image.shape[-1] != channels:
        raise UserError(f"the image {name} must have {channels} channels (`model.channels`), got {image.shape[-1]}")
    if upright and flags == cv2.IMREAD_UNCHANGED:
        image = np.ascontiguousarray(image_file.turned_upright(image, data))
    if image.dtype == np.uint16:
        image = value_range.to_8_bits(image, image_range)
    conversion = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(channels)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Reads height and width of the upright image, in pixels, usually from the header.

    Raises:
        UserError: as `read_image`.
    """
    return image_file.sizes(image_file.read_bytes(path), name=os.fspath(path)).upright_hw
