"""Reads image files: bytes, pixels as stored, and size before and after EXIF orientation."""

import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.images import image_header

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # our own error message names the file instead
EXCHANGING_SIDES = (5, 6, 7, 8)  # values of EXIF's orientation for a quarter turn
MOST_FILE = 2**32  # bytes
DEPTHS = (np.uint8, np.uint16)

_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image.swapaxes(0, 1)[::-1, ::-1],
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


class Sizes(NamedTuple):
    """Height and width of an image, in pixels.

    Attributes:
        upright_hw: as viewers show it, after its EXIF orientation is applied.
        stored_hw: as stored in the file; for a TIFF the same as `upright_hw`, because OpenCV always turns it.
    """

    upright_hw: tuple[int, int]
    stored_hw: tuple[int, int]


def read_bytes(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a file as `[n]` uint8.

    Raises:
        UserError: the file is missing, unreadable or longer than `MOST_FILE`; the message names it.
    """
    return np.frombuffer(files.read_bytes(path, what="image", most=MOST_FILE), np.uint8)


def decode(data: np.ndarray, flags: int = cv2.IMREAD_UNCHANGED, *, name: str, most: int | None = None) -> np.ndarray:
    """Decodes the bytes of an image file.

    Args:
        data: `[n]` uint8.
        flags: of `cv2.imdecode`; the default keeps the pixels as stored.
        name: of the image, for error messages.
        most: maximum size of the decoded pixels, bytes; None for the default of `limits`.

    Returns:
        `[H, W, channels]` uint8 or uint16, channels in OpenCV's order.

    Raises:
        UserError: it cannot be decoded or is cut off, or has another depth than 8 or 16 bits, or is too large.
    """
    _check_header(data, name=name, most=most)
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise UserError(f"cannot decode the image {name}: {error.err or error}") from error
    if image is None:
        raise UserError(f"cannot decode the image {name}: it is cut off or in no known format")
    if image.dtype not in DEPTHS:
        raise UserError(f"the image {name} must have 8 or 16 bits a channel, got {image.dtype}; convert it")
    return np.atleast_3d(np.asarray(image))


def verify(data: np.ndarray, *, name: str, was_decoded: bool = False) -> None:
    """Checks that a file can be decoded.

    Args:
        data: as for `decode`.
        name: as for `decode`.
        was_decoded: the pixels were decoded before, with any flags. Then only the header is checked of a JPEG or PNG,
            whose samples have 8 or 16 bits; of another format the flags decide about the depth.

    Raises:
        UserError: as `decode`.
    """
    if was_decoded and data[:8].tobytes().startswith(image_header.INTEGER_FORMATS):
        _check_header(data, name=name)
    else:
        decode(data, name=name)


def sizes(data: np.ndarray, *, name: str) -> Sizes:
    """Reads an image's sizes from the header; decodes the pixels of a TIFF.

    Args:
        data: `[n]` uint8, the file's bytes.
        name: of the image, for error messages.

    Raises:
        UserError: as `decode`.
    """
    header = image_header.read(data)
    if header is None:
        raise UserError(f"cannot decode the image {name}: it is cut off or in no known format")
    height, width = header.size_hw
    if header.orientation is None:
        height, width = decode(data, cv2.IMREAD_COLOR, name=name).shape[:2]
        return Sizes((height, width), (height, width))
    return _sizes(header.size_hw, header.orientation)


def header_sizes(path: str | os.PathLike[str]) -> Sizes | None:
    """Reads an image's sizes from the header alone.

    Returns:
        None where the file is missing, broken or a TIFF, whose size after OpenCV's turn the header does not show.
    """
    with contextlib.suppress(OSError), open(path if files.is_regular(path) else os.devnull, "rb") as stream:
        header = image_header.read_stream(stream)
        return _sizes(header.size_hw, header.orientation) if header and header.orientation is not None else None
    return None


def turned_upright(image: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Applies the EXIF orientation of a file to its pixels as stored.

    Needed only after decoding with `cv2.IMREAD_UNCHANGED`, which keeps an alpha channel: OpenCV itself turns the image
    with the other flags.

    Args:
        image: `[H, W, channels]`, decoded with `cv2.IMREAD_UNCHANGED`.
        data: `[n]` uint8, the file's bytes.

    Returns:
        The image, `[W, H, channels]` after a quarter turn; a view.
    """
    header = image_header.read(data)
    turn = _TURNS.get(header.orientation) if header and header.orientation else None
    return turn(image) if turn else image


def _sizes(stored_hw: tuple[int, int], orientation: int) -> Sizes:
    return Sizes(stored_hw[::-1] if orientation in EXCHANGING_SIDES else stored_hw, stored_hw)


def _check_header(data: np.ndarray, *, name: str, most: int | None = None) -> None:
    header = image_header.read(data)
    if header is None:
        raise UserError(f"cannot decode the image {name}: it is cut off or in no known format")
    image_header.check(header, data, name=name, most=most)
