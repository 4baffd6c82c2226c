"""Checks what is known of an image before it is decoded."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.images import image_file, image_header


def _bytes(array, kind, **options):
    stream = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(stream, kind, **options)
    return np.frombuffer(stream.getvalue(), np.uint8)


def _png(width, height, *, bits=8, colour=6):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = (header, b"IDAT" + zlib.compress(b""), b"IEND")
    parts = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return np.frombuffer(b"\x89PNG\r\n\x1a\n" + b"".join(parts), np.uint8)


@pytest.mark.parametrize(
    ("data", "decoded"),
    [
        (_bytes(np.zeros((4, 5), np.uint8), "PNG"), 4 * 5 * 3),  # grey becomes three channels
        (_bytes(np.zeros((4, 5, 4), np.uint8), "PNG"), 4 * 5 * 4),
        (_bytes(np.zeros((4, 5, 3), np.uint8), "JPEG"), 4 * 5 * 3),
        (_bytes(np.zeros((4, 5, 3), np.uint8), "TIFF"), 4 * 5 * 3),
        (_png(10, 20, bits=16), 10 * 20 * 4 * 2),
        (np.frombuffer(cv2.imencode(".tif", np.zeros((4, 5, 3), np.uint16))[1], np.uint8), 4 * 5 * 3 * 2),
    ],
)
def test_read_counts_the_bytes_when_decoded(data, decoded):
    header = image_header.read(data)
    assert header.decoded_bytes == decoded
    assert not header.wrong


def test_read_of_what_is_no_image_is_none():
    for content in (b"", b"no image", b"II*\0", b"II*\0\x08\0\0\0\xff\xff", b"\x89PNG\r\n\x1a\n"):
        assert image_header.read(np.frombuffer(content, np.uint8)) is None


def test_read_a_large_image_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(image_file.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(
        UserError,
        match=r"the image a would take 12208 MB .* 2048 MB; .* or raise `max_image_mb`",
    ):
        image_file.decode(_png(40_000, 40_000, bits=16), name="a")
    with pytest.raises(UserError, match="the image a would take 1 MB when decoded, more than 0 MB"):
        image_file.decode(_png(10, 10), name="a", most=399)


def test_read_a_chunk_longer_than_the_file_is_refused(monkeypatch):
    data = _bytes(np.zeros((4, 5), np.uint8), "PNG").copy()
    place = data.tobytes().index(b"IDAT") - 4
    data[place : place + 4] = 0x7F
    monkeypatch.setattr(image_file.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="the image a: it is cut off or broken"):
        image_file.decode(data, name="a")


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_read_samples_that_have_no_scale_are_refused_whatever_is_asked_for(dtype):
    data = _bytes(np.full((4, 5), 0.5 if dtype == np.float32 else 70_000, dtype), "TIFF")
    named = np.dtype(dtype).name
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE, cv2.IMREAD_UNCHANGED):
        with pytest.raises(UserError, match=f"the image a must have 8 or 16 bits a channel, got {named}; convert it"):
            image_file.decode(data, flags, name="a")


def test_read_tiff_with_cmyk_is_refused():
    with pytest.raises(UserError, match="the image a is a TIFF with CMYK colours; convert it to RGB"):
        image_file.decode(_bytes(Image.new("CMYK", (5, 4)), "TIFF"), cv2.IMREAD_COLOR, name="a")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "BMP", "WEBP"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_modes_are_read_with_the_colours_that_pillow_sees(kind, mode):
    base = np.zeros((16, 24, 3), np.uint8)
    base[:, :12], base[:, 12:] = (200, 40, 90), (20, 120, 220)
    image = Image.fromarray(base).convert("L").convert("LA") if mode == "LA" else Image.fromarray(base).convert(mode)
    try:
        data = _bytes(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    except (OSError, ValueError):
        pytest.skip("there is no such file")
    if (kind, mode) == ("TIFF", "CMYK"):
        pytest.skip("refused")
    seen = image_file.decode(data, cv2.IMREAD_COLOR, name="a")[..., ::-1]
    expected = np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))
    assert np.abs(seen.astype(int) - expected).max() <= 3


def test_scans_are_counted_to_the_end_of_the_image():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    progressive = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    film = b"\xff\xda" * 500  # as a phone appends one
    for data in (jpeg, jpeg + film, progressive + film):
        array = np.frombuffer(data, np.uint8)
        image_header.check(image_header.read(array), array, name="a.jpg")
    bomb = np.frombuffer(jpeg[:-2] + b"\xff\xda\x00\x02" * 101 + jpeg[-2:], np.uint8)
    with pytest.raises(UserError, match="has more than 100 scans"):
        image_header.check(image_header.read(bomb), bomb, name="a.jpg")
