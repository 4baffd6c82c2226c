"""An image file as it lies on disk: its bytes, its pixels as stored, and its size before and after its EXIF turn."""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image

from mrcnn.errors import UserError

EXIF_ORIENTATION = 0x0112  # the tag
EXCHANGING_SIDES = (5, 6, 7, 8)  # its values for a quarter turn
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
        upright_hw: as viewers show it, turned by its EXIF orientation.
        stored_hw: as its pixels lie in the file; of a TIFF as upright, for OpenCV always turns it.
    """

    upright_hw: tuple[int, int]
    stored_hw: tuple[int, int]


def read_bytes(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a file as `[n]` uint8; raises `UserError` with its name when there is none."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # of a pipe or a device there may be no end
            raise OSError("it is no file")
        return np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"cannot read the image {os.fspath(path)}: {error.strerror or error}") from error


def decode(data: np.ndarray, flags: int = cv2.IMREAD_UNCHANGED, *, name: str) -> np.ndarray:
    """Decodes the bytes of an image file.

    Args:
        data: `[n]` uint8.
        flags: OpenCV's; without any, the pixels as stored.
        name: what an error calls the image.

    Returns:
        `[H, W, channels]` uint8 or uint16, colours in OpenCV's order.

    Raises:
        UserError: it cannot be decoded or is cut off, or has another depth than 8 or 16 bits.
    """
    try:
        image = cv2.imdecode(data, flags) if data.size else None
    except cv2.error as error:
        raise UserError(f"cannot decode the image {name}: {error.err or error}") from error
    if image is None:
        raise UserError(f"cannot decode the image {name}: it is cut off or in no known format")
    if image.dtype not in DEPTHS:
        raise UserError(f"the image {name} must have 8 or 16 bits a channel, got {image.dtype}; convert it")
    return np.atleast_3d(np.asarray(image))


def sizes(data: np.ndarray, *, name: str) -> Sizes:
    """Reads the sizes from the header of an image file, or where that does not tell, from its pixels.

    Args:
        data: `[n]` uint8, the file's bytes.
        name: what an error calls the image.

    Raises:
        UserError: as `decode`.
    """
    header = _read_header(io.BytesIO(data.tobytes()))
    if header is None:
        height, width = decode(data, cv2.IMREAD_COLOR, name=name).shape[:2]
        return Sizes((height, width), (height, width))
    return _sizes(*header)


def header_sizes(path: str | os.PathLike[str]) -> Sizes | None:
    """Reads the sizes from the header of an image file, and no more of it; None where that does not tell."""
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        header = _read_header(stream)
        return _sizes(*header) if header else None
    return None


def turned_upright(image: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Turns an image `[H, W, channels]`, decoded without any flag, by the EXIF orientation of its file.

    OpenCV leaves that to its user only with this decoding, the one that keeps an alpha channel.
    """
    header = _read_header(io.BytesIO(data.tobytes()))
    turn = _TURNS.get(header[1]) if header else None
    return turn(image) if turn else image


def _sizes(stored_hw: tuple[int, int], orientation: int) -> Sizes:
    return Sizes(stored_hw[::-1] if orientation in EXCHANGING_SIDES else stored_hw, stored_hw)


def _read_header(stream: BinaryIO) -> tuple[tuple[int, int], int] | None:
    """Gives height and width as stored, and the EXIF orientation; None of a TIFF, and where the header does not tell.

    OpenCV turns a TIFF whatever it is told, and heeds no orientation but that of the EXIF block, as XMP may hold one.
    """
    known = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # what Pillow raises for a bad file
    with contextlib.suppress(*known), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a large image or an odd EXIF block: neither concerns the size
        with Image.open(stream) as image:
            if image.format != "TIFF":  # Pillow versions differ in whether its size is the upright one
                block = Image.Exif()
                block.load(image.info.get("exif", b""))
                return image.size[::-1], block.get(EXIF_ORIENTATION, 1)
    return None
