"""PNG files of one bit a pixel: OpenCV reads what is written, and every other form is left to it."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from mrcnn.project import one_bit_png

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
L_SHAPE = np.array([[1, 0, 0], [1, 1, 1]], bool)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(header, rows, *, colours=True, end=b"IEND"):
    """Joins chunks to a file; `header` as (width, height, bits, kind, compression, filters, interlace)."""
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBBBBB", *header))]
    if colours:
        parts += [chunk(b"PLTE", bytes([0, 0, 0, 255, 255, 255])), chunk(b"tRNS", b"\0")]
    return b"".join([*parts, chunk(b"IDAT", zlib.compress(bytes(rows), 9)), chunk(end, b"")])


L_ROWS = [0, 0b100_00000, 0, 0b111_00000]  # a filter byte and a byte of pixels for each row
L_HEADER = (3, 2, 1, 3, 0, 0, 0)


@settings(max_examples=50, deadline=None)
@given(masks)
def test_encode_is_read_by_opencv_and_decode_alike(mask):
    content = one_bit_png.encode(mask)
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels[:, :, 3] != 0, mask)  # the black entry is transparent
    found = one_bit_png.decode(content)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, mask)


def test_decode_reads_a_file_of_another_compression_level():
    np.testing.assert_array_equal(one_bit_png.decode(png(L_HEADER, L_ROWS)), L_SHAPE)


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        ((3, 2, 1, 3, 0, 0, 1), L_ROWS),  # interlaced
        ((3, 2, 1, 0, 0, 0, 0), L_ROWS),  # grey
        ((3, 2, 8, 3, 0, 0, 0), [0, 1, 0, 0, 0, 1, 1, 1]),  # eight bits
        (L_HEADER, [0, 0b100_00000, 2, 0b011_00000]),  # the second row filtered with "up"
        (L_HEADER, L_ROWS[:-1]),  # a byte is missing
        (L_HEADER, [*L_ROWS, 0]),  # a byte too many
        ((0, 2, 1, 3, 0, 0, 0), [0, 0]),  # no column
        ((3, 0, 1, 3, 0, 0, 0), []),  # no row
    ],
)
def test_decode_leaves_other_forms_to_others(header, rows):
    assert one_bit_png.decode(png(header, rows)) is None


def test_decode_leaves_other_colours_and_chunks_to_others():
    assert one_bit_png.decode(png(L_HEADER, L_ROWS, colours=False)) is None
    assert one_bit_png.decode(png(L_HEADER, L_ROWS, end=b"tEXt")) is None
    whole = png(L_HEADER, L_ROWS)
    white_first = whole.replace(bytes([0, 0, 0, 255, 255, 255]), bytes([255, 255, 255, 0, 0, 0]))
    assert one_bit_png.decode(white_first) is None


def test_decode_leaves_every_damaged_file_to_others():
    whole = png(L_HEADER, L_ROWS)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 4
        assert one_bit_png.decode(bytes(damaged)) is None, place
        assert one_bit_png.decode(whole[:place]) is None, place
    assert one_bit_png.decode(whole + b"\0") is None
    assert one_bit_png.decode(b"") is None
