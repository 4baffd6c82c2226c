"""The bits of Label Studio's brush."""

import numpy as np
import pytest

from mrcnn.data.formats import label_studio_rle
from mrcnn.errors import UserError


def pack(*fields):
    """Packs (value, number of bits) to bytes, the last one padded with zeros."""
    text = "".join(f"{value:0{size}b}" for value, size in fields)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[start : start + 8], 2) for start in range(0, len(text), 8))


def header(count, *, word=8, sizes=(3, 4, 8, 16)):
    return [(count, 32), (word - 1, 5), *((size - 1, 4) for size in sizes)]


def encode(mask):
    """Encodes a mask as Label Studio's converter does: RGBA samples, runs of equal samples."""
    samples = np.repeat(mask.astype(np.uint8).ravel() * 255, 4)
    fields, start = header(len(samples)), 0
    while start < len(samples):
        end = start
        while end < len(samples) and samples[end] == samples[start] and end - start < 2**16:
            end += 1
        fields += [(1, 1), (3, 2), (end - start - 1, 16), (int(samples[start]), 8)]
        start = end
    return pack(*fields)


def test_decode_repeated_and_single_values():
    """Three pixels: a run of 4 zeros (the size of its count 3 bits), then 8 samples one by one, alphas 0 and 9."""
    singles = [(value, 8) for value in (7, 7, 7, 0, 0, 0, 0, 9)]
    bits = [*header(12), (1, 1), (0, 2), (3, 3), (0, 8), (0, 1), (1, 2), (7, 4), *singles]
    np.testing.assert_array_equal(label_studio_rle.decode(pack(*bits), height=1, width=3), [[False, False, True]])


def test_decode_is_the_inverse_of_the_encoder():
    mask = np.random.default_rng(0).random((9, 14)) > 0.6
    np.testing.assert_array_equal(label_studio_rle.decode(encode(mask), height=9, width=14), mask)


def test_decode_values_of_one_bit():
    bits = [*header(8, word=1), (1, 1), (2, 2), (7, 8), (1, 1)]
    assert label_studio_rle.decode(pack(*bits), height=2, width=1).all()


def test_decode_an_image_without_pixels():
    assert label_studio_rle.decode(pack(*header(0)), height=0, width=3).shape == (0, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "`rle` is cut off"),
        (pack(*header(4)), "has 4 samples, an image of 2 x 1 pixels has 4 a pixel"),
        (pack(*header(8)), "`rle` is cut off"),
        (pack(*header(8), (1, 1), (0, 2), (7, 3)), "`rle` is cut off"),
        (pack(*header(8), (1, 1), (1, 2), (8, 4), (0, 8)), "has more than its 8 samples"),
        (pack(*header(8), (0, 1), (0, 2), (7, 3), (1, 8)), "`rle` is cut off"),
    ],
)
def test_decode_refuses(data, message):
    with pytest.raises(UserError, match=message):
        label_studio_rle.decode(data, height=1, width=2)
