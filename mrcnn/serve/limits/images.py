"""Decodes untrusted image files, and checks their size before any pixel is decoded."""

import io
import math

import numpy as np
from PIL import Image

from mrcnn.images import image_header
from mrcnn.images.pixels import decode_image
from mrcnn.serve.responses import RequestError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")
Image.init()  # registers every one of `FORMATS` before the first file; Pillow by itself starts with fewer
Image.MAX_IMAGE_PIXELS = None  # the user's limit replaces Pillow's, be it lower or higher
SCAN, MOST_SCANS = b"\xff\xda", 100  # of a JPEG; each scan decodes all pixels again, and files usually have 1 or 10
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"  # signatures: the first bytes of such files
TILE_WIDTH, TILE_HEIGHT = 322, 323  # TIFF tags
NAME = "in the request"  # completes "the image ..." in an error


def pixel_count(data: bytes, *, max_pixels: int) -> int:
    """Reads from an image file's header how many pixels its decoder will hold.

    Args:
        data: the bytes of the file.
        max_pixels: largest accepted height x width, of the image and of a TIFF's tile.

    Returns:
        Height times width of the image, or of a TIFF's tile where that is larger.

    Raises:
        RequestError: the data is empty, in none of `FORMATS`, has a broken header, holds too many pixels (413), or
            looks made to exhaust the decoder's time or memory.
    """
    if not data:
        raise RequestError("the image is empty; send the bytes of an image file")
    size, tile = _read_sizes(data)
    _check(*size, max_pixels)
    if math.prod(tile) > max_pixels:
        text = f"the image's tiles have {tile[0]} x {tile[1]} pixels, more than {max_pixels} (--max-pixels)"
        raise RequestError(text, status=413)
    if data.startswith(PNG) and not image_header.has_all_chunks(data):
        raise RequestError("the image is cut off or broken: a part of it is longer than all of it")
    if data.startswith(JPEG) and data.count(SCAN) > MOST_SCANS:
        raise RequestError(f"the image has more than {MOST_SCANS} scans; save it as a baseline JPEG")
    return max(math.prod(size), math.prod(tile))


def decode(data: bytes, *, channels: int, max_pixels: int, image_range: int | None = None) -> np.ndarray:
    """Decodes an image file that `pixel_count` accepted; see `images.pixels.decode_image`.

    Args:
        data: the bytes of the file.
        channels: channels of the model's images.
        max_pixels: largest accepted height x width of the decoded image.
        image_range: as for `decode_image`.

    Returns:
        `[H, W, channels]` uint8.

    Raises:
        UserError: the file is broken or cut off, has another number of channels, or decodes to more than `max_pixels`
            or to none.
    """
    image = decode_image(np.frombuffer(data, np.uint8), channels, name=NAME, image_range=image_range)
    height, width = image.shape[:2]
    _check(height, width, max_pixels)
    return image


def _read_sizes(data: bytes) -> tuple[tuple[int, int], tuple[int, int]]:
    """Reads (height, width) of an image and of its TIFF tiles; (0, 0) without tiles."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            tags = getattr(image, "tag_v2", {})  # of a TIFF
            return (image.height, image.width), (int(tags.get(TILE_HEIGHT, 0)), int(tags.get(TILE_WIDTH, 0)))
    except Image.UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise RequestError(
            f"the image is in no known format, or its first bytes are broken; known are {known}"
        ) from error
    except Exception as error:  # a parser of untrusted bytes may raise anything
        raise RequestError("the image is broken: its header cannot be read") from error


def _check(height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        raise RequestError(
            f"the image has {height} x {width} pixels, more than {max_pixels} (--max-pixels); send a smaller one",
            status=413,
        )
    if height * width == 0:
        raise RequestError("the image has no pixel")
