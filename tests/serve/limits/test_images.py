import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.serve.limits import images
from mrcnn.serve.responses import RequestError

from ..helpers import image_bytes


def png_header(width, height):
    """A PNG that says it is large and holds nothing: what a decompression bomb begins with."""
    content = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + content
    data = b"IDAT" + zlib.compress(b"")
    parts = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refusal(data):
    """Returns the line that a file is refused with; empty where it is decoded."""
    try:
        images.pixel_count(data, max_pixels=10_000)
        image = images.decode(data, channels=3, max_pixels=10_000)
    except UserError as error:
        return str(error)
    assert image.shape[0] * image.shape[1] <= 10_000
    return ""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"])
def test_decode_reads_every_format(kind):
    data = image_bytes(20, 30, 200, kind)
    assert images.pixel_count(data, max_pixels=600) == 20 * 30
    image = images.decode(data, channels=3, max_pixels=600)
    assert image.shape == (20, 30, 3)
    assert np.abs(image.astype(int) - 200).max() <= 2


def test_pixel_count_limit_is_exact():
    with pytest.raises(RequestError) as caught:
        images.pixel_count(image_bytes(20, 30), max_pixels=599)
    assert caught.value.status == 413
    assert str(caught.value) == "the image has 20 x 30 pixels, more than 599 (--max-pixels); send a smaller one"


@pytest.mark.parametrize("size", [(30_000, 30_000), (5_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_pixel_count_refuses_a_bomb_by_its_header(size):
    with pytest.raises(RequestError) as caught:
        images.pixel_count(png_header(*size), max_pixels=32_000_000)
    assert caught.value.status == 413


def test_pixel_count_limit_may_be_above_the_librarys():
    assert images.pixel_count(png_header(15_000, 13_000), max_pixels=195_000_000) == 195_000_000
    with pytest.raises(RequestError, match="the image has 13001 x 15000 pixels, more than 195000000"):
        images.pixel_count(png_header(15_000, 13_001), max_pixels=195_000_000)


def test_decode_of_a_broken_image_writes_nothing_to_stderr(capfd):
    assert refusal(image_bytes(20, 30, 200, "TIFF")[:-100])
    assert refusal(tiff(10, 10, tile=160).replace(zlib.compress(bytes(160**2)), b"no tile"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the image is empty; send the bytes of an image file"),
        (b"not an image", "the image is in no known format, or its first bytes are broken; known are JPEG, PNG,"),
        (b"\x89PNG\r\n\x1a\n", "the image is in no known format"),
        (b"%PDF-1.4", "the image is in no known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "the image is in no known format"),
    ],
)
def test_pixel_count_refuses_what_is_no_image(data, message):
    with pytest.raises(RequestError) as caught:
        images.pixel_count(data, max_pixels=100)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_decode_refuses_a_file_that_is_cut_off(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    data = file.getvalue()[: len(file.getvalue()) // 2]
    assert refusal(data)


@pytest.mark.parametrize("start", [2, 9, 30])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"])
def test_decode_of_broken_bytes_refuses_or_decodes(kind, start):
    random = np.random.default_rng(start)
    for _ in range(20):
        data = bytearray(image_bytes(20, 30, 200, kind))
        for place in random.integers(start, len(data), 4):
            data[place] = random.integers(256)
        assert "\n" not in refusal(bytes(data))


def test_decode_drops_alpha_and_expands_grey():
    file = io.BytesIO()
    Image.new("LA", (3, 2), (50, 7)).save(file, "PNG")
    assert images.decode(file.getvalue(), channels=3, max_pixels=6).tolist() == [[[50] * 3] * 3] * 2


def test_decode_keeps_the_order_of_four_channels():
    file = io.BytesIO()
    Image.new("RGBA", (1, 1), (10, 20, 30, 40)).save(file, "PNG")
    assert images.decode(file.getvalue(), channels=3, max_pixels=1).tolist() == [[[10, 20, 30]]]


def tiff(width, height, *, tile):
    """A TIFF of one tile of zeros, `tile` pixels high and wide."""
    data = zlib.compress(bytes(tile**2))
    tags = [(256, width), (257, height), (258, 8), (259, 8), (262, 1), (277, 1), (322, tile), (323, tile)]
    tags += [(324, 14 + 12 * 10), (325, len(data))]  # the place and length of the data: behind ten tags
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def test_pixel_count_counts_a_tile_larger_than_its_image():
    # a tile is unpacked whole: one of 16000 x 16000 in 1 MB, of an image of 10 x 10, took a gigabyte
    data = tiff(10, 10, tile=160)
    assert images.pixel_count(data, max_pixels=160**2) == 160**2
    assert images.decode(data, channels=3, max_pixels=160**2).shape == (10, 10, 3)
    with pytest.raises(RequestError) as caught:
        images.pixel_count(data, max_pixels=160**2 - 1)
    assert caught.value.status == 413
    assert str(caught.value) == "the image's tiles have 160 x 160 pixels, more than 25599 (--max-pixels)"


def test_pixel_count_refuses_a_chunk_longer_than_its_file():
    # the decoder makes room for what the length says: 200 bytes took 1.7 GB
    data = image_bytes(20, 30)
    place = data.index(b"IDAT") - 4
    long = data[:place] + b"\x6c" + data[place + 1 :]
    with pytest.raises(RequestError) as caught:
        images.pixel_count(long, max_pixels=600)
    assert str(caught.value) == "the image is cut off or broken: a part of it is longer than all of it"
    assert images.pixel_count(data + b"what follows the end", max_pixels=600) == 600


def test_pixel_count_refuses_a_jpeg_of_many_scans():
    # each scan goes over the whole image: 20 MB of them, 51 bytes each, took hours
    file = io.BytesIO()
    Image.new("L", (30, 20)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    assert images.pixel_count(data, max_pixels=600) == 600
    last = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(RequestError, match="the image has more than 100 scans; save it as a baseline JPEG"):
        images.pixel_count(data[:-2] + last * 100 + data[-2:], max_pixels=600)
