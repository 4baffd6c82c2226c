"""Supervisely's text form of a mask: base64 of zlib of a one-bit PNG.

The encoder writes the original's bytes: palette black and white, the black entry transparent, filter 0, default zlib
level. The decoder also reads the forms of older and newer exports: other levels and bit depths, grey, RGBA, and a PNG
without the outer zlib. Source: Supervisely annotation format, class `Bitmap`; PNG specification (ISO 15948).
"""

import base64
import binascii
import struct
import zlib

import cv2
import numpy as np

from mrcnn.errors import UserError
from mrcnn.images import image_header, limits
from mrcnn.project import one_bit_png

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # our own line names the file instead
ALPHA_THRESHOLD = 128  # an alpha mask's pixel of at least this value belongs to the object

MOST_UNZIPPED = 2**28  # bytes of a PNG
MOST_INFLATED = 1040  # bytes that one byte of zlib data can expand to

_PNG_HEADER = slice(16, 26)  # width, height, bits and kind of colour, the first fields of the first chunk
_PALETTE = 3
_SAMPLES = {0: 1, 2: 3, 3: 4, 4: 4, 6: 4}  # of a pixel as OpenCV decodes that kind of colour


def encode(mask: np.ndarray) -> str:
    """Encodes a mask as text.

    Args:
        mask: `[h, w]`, true inside the object, at least one row and one column.

    Raises:
        UserError: the mask is not two-dimensional or has no pixel.
    """
    mask = np.asarray(mask).astype(bool)
    if mask.ndim != 2 or mask.size == 0:
        raise UserError(f"a bitmap must be a [height, width] mask with at least one pixel, got shape {mask.shape}")
    return base64.b64encode(zlib.compress(one_bit_png.encode(mask))).decode("ascii")


def decode(data: str) -> np.ndarray:
    """Decodes a mask from its text.

    Returns:
        `[h, w]` bool, not cropped; may be all false. True where alpha is not zero, in a PNG without alpha (or without
        the outer zlib) where any channel is not zero.

    Raises:
        UserError: the text is no base64, holds no PNG, or one that takes more than `limits.BITMAP` when decoded.
    """
    pixels, was_zipped, _ = _pixels(data)
    if pixels.dtype == bool:
        return pixels
    if pixels.ndim == 2:
        return pixels.astype(bool)
    if was_zipped and pixels.shape[2] == 4:
        return pixels[:, :, 3] != 0
    return np.asarray(pixels.any(axis=2))


def decode_alpha(data: str) -> np.ndarray:
    """Decodes an alpha mask from its text; errors as for `decode`.

    Returns:
        `[h, w]` bool, true where the mask is at least half opaque (`ALPHA_THRESHOLD`).
    """
    pixels, _, _ = _pixels(data)
    if pixels.dtype == bool:
        return pixels
    if pixels.ndim == 3:
        pixels = pixels[:, :, -1] if pixels.shape[2] == 4 else pixels.max(axis=2)
    return pixels >= ALPHA_THRESHOLD


def decoded_bytes(data: str) -> int:
    """Decodes a mask to check it and measures the memory.

    Returns:
        Bytes of the decoded pixels and of the PNG together.

    Raises:
        UserError: as `decode`.
    """
    pixels, _, unzipped = _pixels(data)
    return pixels.nbytes * (_SAMPLES[_PALETTE] if pixels.dtype == bool else 1) + unzipped


def _pixels(data: str) -> tuple[np.ndarray, bool, int]:
    """Decodes the image as stored.

    Returns:
        Pixels `[h, w]` or `[h, w, 3 or 4]`, bool for a PNG as `encode` writes it; whether zlib was around the PNG; and
        the number of bytes of the PNG.
    """
    try:
        content = base64.b64decode(data)
    except (binascii.Error, ValueError, TypeError) as error:
        raise UserError(f"a bitmap's `data` must be base64 text ({error})") from error
    content, was_zipped = _unzipped(content)
    try:
        size = _size(content)
        limits.check_decoded(size, what="a bitmap's PNG", most=limits.BITMAP)
        if size and (mask := one_bit_png.decode(content)) is not None:
            return mask, was_zipped, len(content)
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if size else None
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UserError("a bitmap's `data` must hold a PNG image, and this one cannot be decoded")
    return pixels, was_zipped, len(content)


def _unzipped(content: bytes) -> tuple[bytes, bool]:
    """Removes the zlib compression around the PNG; newer exports may store the bare PNG.

    Returns:
        The PNG, empty where the compressed data is cut off, and whether it was compressed.
    """
    stream = zlib.decompressobj()
    try:
        unzipped = stream.decompress(content, MOST_UNZIPPED)
    except zlib.error:
        return content, False
    if not stream.eof and len(unzipped) >= MOST_UNZIPPED:
        limits.check_decoded(len(unzipped) + 1, what="a bitmap's PNG", most=MOST_UNZIPPED)
    return (unzipped, True) if stream.eof else (b"", True)


def _size(content: bytes) -> int:
    """Computes the decoded size of a PNG in bytes from its header.

    Returns:
        0 for content that is no PNG, for a PNG that is cut off, and for one too short for the size that it declares.
    """
    if not content.startswith(one_bit_png.SIGNATURE) or len(content) < _PNG_HEADER.stop:
        return 0
    if not image_header.has_all_chunks(content):
        return 0
    width, height, bits, colour = struct.unpack(">IIBB", content[_PNG_HEADER])
    samples = 1 if colour == _PALETTE else _SAMPLES.get(colour, 4)
    if height * (width * samples * bits // 8) > MOST_INFLATED * len(content):
        return 0
    return int(width * height * _SAMPLES.get(colour, 4) * (2 if bits > 8 else 1))
