"""Encodes and decodes the PNG inside Supervisely's bitmaps without a general decoder.

It has one bit a pixel, the palette black and white with the black entry transparent, and rows without a filter. A
general decoder takes several times as long for the small masks of objects; it reads all other forms.
Source: PNG specification (ISO 15948).
"""

import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


_START = SIGNATURE + struct.pack(">I", 13) + b"IHDR"
_SIZE = slice(len(_START), len(_START) + 8)  # width and height
_KIND = bytes([1, 3, 0, 0, 0])  # bits, palette, compression, filters, no interlacing
_COLOURS = _chunk(b"PLTE", bytes([0, 0, 0, 255, 255, 255])) + _chunk(b"tRNS", b"\x00")
_HEADER_END = _SIZE.stop + len(_KIND)
_DATA_START = _HEADER_END + 4 + len(_COLOURS) + 8  # after the check sum, the colours, length and name of the data
_END = _chunk(b"IEND", b"")


def encode(mask: np.ndarray) -> bytes:
    """Encodes a mask.

    Args:
        mask: `[h, w]` bool, at least one row and one column.
    """
    height, width = mask.shape
    rows = np.zeros((height, _stride(width)), np.uint8)  # the first byte of each row: filter "none"
    rows[:, 1:] = np.packbits(mask, axis=1)
    header = _chunk(b"IHDR", struct.pack(">II", width, height) + _KIND)
    return SIGNATURE + header + _COLOURS + _chunk(b"IDAT", zlib.compress(rows.tobytes())) + _END


def decode(png: bytes) -> np.ndarray | None:
    """Decodes a PNG of exactly the form that `encode` writes, of any compression level.

    The caller limits the size: memory for the pixels that the header declares is allocated.

    Returns:
        `[h, w]` bool; None for a PNG of any other form, and for a broken one.
    """
    end = len(png) - len(_END) - 4
    if not png.startswith(_START) or end < _DATA_START or not _has_known_parts(png, end):
        return None
    width, height = struct.unpack(">II", png[_SIZE])
    try:
        stream = zlib.decompressobj()
        content = stream.decompress(png[_DATA_START:end], height * _stride(width) + 1)
    except zlib.error:
        return None
    if height * width == 0 or len(content) != height * _stride(width) or not stream.eof:
        return None
    rows = np.frombuffer(content, np.uint8).reshape(height, -1)
    if rows[:, 0].any():  # a filter
        return None
    return np.unpackbits(rows[:, 1:], axis=1, count=width).view(bool)


def _has_known_parts(png: bytes, end: int) -> bool:
    """Checks all but the pixels; `end` is where the compressed data ends."""
    data = png[_DATA_START - 4 : end]
    return (
        png[_SIZE.stop : _HEADER_END] == _KIND
        and png[_HEADER_END : _HEADER_END + 4] == _check_sum(png[_SIZE.start - 4 : _HEADER_END])
        and png[_HEADER_END + 4 : _DATA_START - 8] == _COLOURS
        and png[_DATA_START - 8 : _DATA_START] == struct.pack(">I", end - _DATA_START) + b"IDAT"
        and png[end:] == _check_sum(data) + _END
    )


def _check_sum(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def _stride(width: int) -> int:
    return 1 + (width + 7) // 8
