"""Checks Supervisely's text form of masks: the published vector, every stored variant, and malformed text."""

import base64
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from mrcnn.errors import UserError
from mrcnn.images import limits
from mrcnn.project import bitmap

# Source: Supervisely SDK documentation of `Bitmap`, a 3x3 mask with rows 111, 100, 111.
VECTOR = (
    "eJzrDPBz5+WS4mJgYOD19HAJAtLMIMwIInOeqf8BUmwBPiGuQPr///9Lb86/C2QxlgT5BTM4PLuRBuTwebo4hlTMSa44cOHAB6DqY0yORgq8YkAZ"
    "Bk9XP5d1TglNANAFGzA="
)
C_SHAPE = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 1]], bool)

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


def _text(pixels: np.ndarray, *, zipped: bool = True, level: int = -1) -> str:
    _, png = cv2.imencode(".png", pixels)
    content = png.tobytes()
    return base64.b64encode(zlib.compress(content, level) if zipped else content).decode()


def test_encode_writes_the_originals_bytes():
    assert bitmap.encode(C_SHAPE) == VECTOR


def test_decode_reads_the_published_vector():
    np.testing.assert_array_equal(bitmap.decode(VECTOR), C_SHAPE)


@settings(max_examples=50, deadline=None)
@given(masks)
def test_decode_inverts_encode(mask):
    decoded = bitmap.decode(bitmap.encode(mask))
    assert decoded.dtype == bool
    np.testing.assert_array_equal(decoded, mask)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 17])
def test_decode_rows_end_anywhere_in_a_byte(width):
    mask = np.arange(3 * width).reshape(3, width) % 3 == 0
    np.testing.assert_array_equal(bitmap.decode(bitmap.encode(mask)), mask)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_decode_takes_every_compression_level(level):
    grey = np.where(C_SHAPE, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(bitmap.decode(_text(grey, level=level)), C_SHAPE)


def test_decode_takes_grey_of_any_value_as_true():
    grey = np.array([[0, 1], [127, 255]], np.uint8)
    assert bitmap.decode(_text(grey)).tolist() == [[False, True], [True, True]]


def test_decode_takes_alpha_of_four_channels_and_not_the_colours():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0, 3] = 1  # black but not transparent
    pixels[1, 1, :3] = 255  # white but transparent
    assert bitmap.decode(_text(pixels)).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 3), (3, 3, 4)])
def test_decode_takes_a_png_that_was_not_zipped(shape):
    pixels = np.zeros(shape, np.uint8)
    pixels[C_SHAPE] = 200
    np.testing.assert_array_equal(bitmap.decode(_text(pixels, zipped=False)), C_SHAPE)


def test_decode_takes_any_channel_of_a_png_that_was_not_zipped():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, 0, 0] = pixels[0, 1, 3] = 9  # a transparent colour, and opaque black
    assert bitmap.decode(_text(pixels, zipped=False)).tolist() == [[True, True, False]]


def test_decode_rejects_a_size_no_image_has():
    png = bytearray(zlib.decompress(base64.b64decode(VECTOR)))
    png[16:24] = struct.pack(">II", 2**20, 2**20)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(UserError, match="PNG"):
        bitmap.decode(base64.b64encode(png).decode())


def test_decode_a_header_that_promises_more_than_the_content_can_hold_is_refused_before_decoding(monkeypatch):
    png = bytearray(zlib.decompress(base64.b64decode(VECTOR)))
    png[16:24] = struct.pack(">II", 8000, 8000)  # the content has fewer than 100 bytes
    monkeypatch.setattr(bitmap.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="PNG image, and this one cannot be decoded"):
        bitmap.decode(base64.b64encode(png).decode())


def test_a_chunk_longer_than_the_content_is_refused_before_decoding(monkeypatch):
    png = bytearray(zlib.decompress(base64.b64decode(VECTOR)))
    png[png.index(b"IDAT") - 4] = 0xC9  # 3.4 GB, for which the decoder would make room
    monkeypatch.setattr(bitmap.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="PNG image, and this one cannot be decoded"):
        bitmap.decode(base64.b64encode(png).decode())


def _zeros(side):
    return zlib.decompress(base64.b64decode(bitmap.encode(np.zeros((side, side), bool))))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_few_bytes_that_stand_for_a_huge_mask_are_refused_before_they_are_decoded(monkeypatch, zipped):
    png = _zeros(16)
    text = base64.b64encode(zlib.compress(png) if zipped else png).decode()
    monkeypatch.setattr(limits, "BITMAP", 1024)  # 16 x 16 pixels, a palette with alpha: four bytes each
    assert not bitmap.decode(text).any()
    monkeypatch.setattr(limits, "BITMAP", 1023)
    monkeypatch.setattr(bitmap.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="PNG"):
        bitmap.decode(text)


def test_what_unzips_without_end_is_refused_before_it_is_unzipped(monkeypatch):
    png = _zeros(8)
    text = base64.b64encode(zlib.compress(png + bytes(10**6))).decode()  # decoders ignore what follows a PNG
    assert not bitmap.decode(text).any()
    monkeypatch.setattr(bitmap, "MOST_UNZIPPED", 10**6)
    with pytest.raises(UserError, match="PNG"):
        bitmap.decode(text)


def test_decode_a_zipped_png_that_is_cut_off_is_refused():
    whole = zlib.compress(_zeros(8))
    with pytest.raises(UserError, match="PNG"):
        bitmap.decode(base64.b64encode(whole[:-3]).decode())


def test_decode_an_image_that_is_no_png_is_refused():
    content = cv2.imencode(".bmp", np.full((3, 3), 255, np.uint8))[1].tobytes()
    with pytest.raises(UserError, match="PNG"):
        bitmap.decode(base64.b64encode(content).decode())


def test_decode_an_error_inside_opencv_is_one_line(monkeypatch):
    def fail(*_):
        raise cv2.error("OpenCV(5) assertion failed")

    monkeypatch.setattr(bitmap.cv2, "imdecode", fail)
    with pytest.raises(UserError, match="PNG"):
        bitmap.decode(_text(np.zeros((2, 2), np.uint8)))


def test_decode_reads_our_own_form_without_opencv(monkeypatch):
    monkeypatch.setattr(bitmap.cv2, "imdecode", None)
    np.testing.assert_array_equal(bitmap.decode(VECTOR), C_SHAPE)
    np.testing.assert_array_equal(bitmap.decode_alpha(VECTOR), C_SHAPE)
    bare = base64.b64encode(zlib.decompress(base64.b64decode(VECTOR))).decode()
    np.testing.assert_array_equal(bitmap.decode(bare), C_SHAPE)


def test_decoded_bytes_of_our_own_form_are_those_of_four_channels():
    png = zlib.decompress(base64.b64decode(VECTOR))
    assert bitmap.decoded_bytes(VECTOR) == 3 * 3 * 4 + len(png)


def test_decode_keeps_an_all_false_mask():
    assert not bitmap.decode(bitmap.encode(np.zeros((2, 3), bool))).any()


def test_decode_alpha_cuts_at_128():
    grey = np.array([[0, 127], [128, 255]], np.uint8)
    assert bitmap.decode_alpha(_text(grey)).tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("ü", "base64"),
        ("abc", "base64"),
        ("", "PNG"),
        (base64.b64encode(b"nothing").decode(), "PNG"),
        (base64.b64encode(zlib.compress(b"")).decode(), "PNG"),
        (base64.b64encode(zlib.compress(b"nothing")).decode(), "PNG"),
        (base64.b64encode(zlib.decompress(base64.b64decode(VECTOR))[:40]).decode(), "PNG"),
    ],
)
def test_decode_rejects_what_is_no_image(data, message):
    with pytest.raises(UserError, match=message):
        bitmap.decode(data)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3,), (2, 2, 1)])
def test_encode_rejects_a_mask_without_pixels(shape):
    with pytest.raises(UserError, match="at least one pixel"):
        bitmap.encode(np.ones(shape, bool))


def test_decoded_bytes_bytes_count_and_not_pixels(monkeypatch):
    text = _text(np.zeros((8, 8, 4), np.uint16), zipped=False)
    assert bitmap.decoded_bytes(text) > 8 * 8 * 8  # and the bytes of the PNG
    monkeypatch.setattr(limits, "BITMAP", 8 * 8 * 8 - 1)
    monkeypatch.setattr(bitmap.cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UserError, match="a bitmap's PNG would take 1 MB when decoded"):
        bitmap.decode(text)
