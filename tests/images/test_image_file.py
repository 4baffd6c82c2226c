"""Checks reading image files as they lie on disk."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.images import image_file, image_header

PIXELS = np.arange(0, 180, 10, dtype=np.uint8).reshape(2, 3, 3)


def _file(path, array=PIXELS, orientation=1):
    exif = Image.Exif()
    exif[image_header.EXIF_ORIENTATION] = orientation
    Image.fromarray(array).save(path, exif=exif)
    return image_file.read_bytes(path)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize(("orientation", "upright"), [(1, (2, 3)), (3, (2, 3)), (6, (3, 2)), (8, (3, 2))])
def test_sizes_before_and_after_the_turn(tmp_path, extension, orientation, upright):
    data = _file(tmp_path / f"a.{extension}", orientation=orientation)
    stored = image_file.decode(data, name="a").shape[:2]
    assert stored == (upright if extension == "tif" else (2, 3))
    assert image_file.sizes(data, name="a") == (upright, stored)


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "bmp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_header_sizes_are_the_sizes(tmp_path, extension, orientation):
    path = tmp_path / f"a.{extension}"
    assert image_file.header_sizes(path) is None  # not there
    data = _file(path, orientation=orientation)
    assert image_file.header_sizes(path) == image_file.sizes(data, name="a")
    if extension != "webp":  # the pixels are not looked at
        path.write_bytes(path.read_bytes()[:-4])
        assert image_file.header_sizes(path) == image_file.sizes(data, name="a")


def test_header_sizes_of_what_does_not_tell(tmp_path):
    _file(tmp_path / "a.tif")
    (tmp_path / "b.png").write_bytes(b"no image")
    assert image_file.header_sizes(tmp_path / "a.tif") is None
    assert image_file.header_sizes(tmp_path / "b.png") is None


def test_decode_pixels_are_as_stored(tmp_path):
    data = _file(tmp_path / "a.png", orientation=6)
    np.testing.assert_array_equal(image_file.decode(data, name="a"), PIXELS[..., ::-1])
    grey = image_file.decode(_file(tmp_path / "b.png", PIXELS[..., 0]), name="b")
    assert grey.shape == (2, 3, 1)


def test_decode_other_depths_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((2, 3), np.float32))
    data = image_file.read_bytes(tmp_path / "a.tif")
    with pytest.raises(UserError, match="the image a must have 8 or 16 bits a channel, got float32"):
        image_file.decode(data, name="a")


@pytest.mark.parametrize("read", [image_file.decode, image_file.sizes])
@pytest.mark.parametrize("content", [b"", b"no image"])
def test_sizes_what_is_no_image_is_named(read, content):
    with pytest.raises(UserError, match="cannot decode the image odd"):
        read(np.frombuffer(content, np.uint8), name="odd")


def test_read_bytes_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the image .*none\.png"):
        image_file.read_bytes(tmp_path / "none.png")


@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_turned_upright_turns_as_opencv_does(tmp_path, extension, orientation):
    data = _file(tmp_path / f"a.{extension}", orientation=orientation)
    turned = image_file.turned_upright(image_file.decode(data, name="a"), data)
    np.testing.assert_array_equal(turned, image_file.decode(data, cv2.IMREAD_COLOR, name="a"))


def test_turned_upright_an_orientation_outside_the_exif_block_turns_nothing_as_in_opencv(tmp_path):
    text = '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", xmp=f"<x:xmpmeta>{text}</x:xmpmeta>".encode())
    data = image_file.read_bytes(tmp_path / "a.jpg")
    assert image_file.sizes(data, name="a") == ((2, 3), (2, 3))
    assert image_file.decode(data, cv2.IMREAD_COLOR, name="a").shape == (2, 3, 3)


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp", ".tif"])
def test_verify_decodes_a_file_that_was_not_decoded_before(extension, monkeypatch):
    data = cv2.imencode(extension, np.zeros((9, 7, 3), np.uint8))[1]
    calls, real = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *given: calls.append(1) or real(*given))
    image_file.verify(data, name="a")
    assert len(calls) == 1
    image_file.verify(data, name="a", was_decoded=True)
    assert len(calls) == (1 if extension in (".jpg", ".png") else 2)
    for was_decoded in (False, True):
        with pytest.raises(UserError, match="cannot decode the image a: it is cut off or in no known format"):
            image_file.verify(data[:1], name="a", was_decoded=was_decoded)
