import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.images import image_header
from mrcnn.images import pixels as images

# 2 rows x 3 columns, every value different, red first.
PIXELS = np.arange(0, 180, 10, dtype=np.uint8).reshape(2, 3, 3)


def _save(path, array, **kwargs):
    Image.fromarray(array).save(path, **kwargs)
    return path


def _exif(orientation):
    exif = Image.Exif()
    exif[image_header.EXIF_ORIENTATION] = orientation
    return exif


def test_read_image_reads_red_first(tmp_path):
    image = images.read_image(_save(tmp_path / "a.png", PIXELS))
    np.testing.assert_array_equal(image, PIXELS)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous


def test_read_image_expands_grey(tmp_path):
    image = images.read_image(_save(tmp_path / "a.png", PIXELS[..., 0]))
    np.testing.assert_array_equal(image, np.repeat(PIXELS[..., :1], 3, axis=2))


def test_read_image_drops_alpha(tmp_path):
    alpha = np.full((2, 3, 1), 7, np.uint8)
    image = images.read_image(_save(tmp_path / "a.png", np.concatenate([PIXELS, alpha], axis=2)))
    np.testing.assert_array_equal(image, PIXELS)


def test_read_image_reduces_16_bits(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 256, 65535]], np.uint16))
    for channels in (1, 3):
        image = images.read_image(tmp_path / "a.png", channels)
        assert image[0, :, 0].tolist() == [0, 1, 255]  # value // 256


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "tif"])
def test_read_image_turns_by_exif_and_the_header_agrees(tmp_path, extension):
    path = _save(tmp_path / f"a.{extension}", np.zeros((20, 30, 3), np.uint8), exif=_exif(6))
    assert images.read_image(path).shape == (30, 20, 3)
    assert images.image_size(path) == (30, 20)


def test_read_image_exif_turn_is_clockwise(tmp_path):
    image = images.read_image(_save(tmp_path / "a.png", PIXELS, exif=_exif(6)))
    np.testing.assert_array_equal(image, np.rot90(PIXELS, k=-1))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size_hw", [None, (3, 2), (2, 3), (9, 9)])
def test_read_annotated_an_image_is_as_stored_where_only_that_fits_its_annotation(tmp_path, orientation, size_hw):
    path = _save(tmp_path / "a.png", PIXELS, exif=_exif(orientation))
    upright = {1: PIXELS, 3: PIXELS[::-1, ::-1], 6: np.rot90(PIXELS, k=-1), 8: np.rot90(PIXELS)}[orientation]
    fits_as_stored = size_hw == (2, 3) and orientation in (6, 8)
    image = images.read_annotated(path, size_hw=size_hw)
    np.testing.assert_array_equal(image, PIXELS if fits_as_stored else upright)


def test_image_size_header_of_an_upright_image(tmp_path):
    assert images.image_size(_save(tmp_path / "a.jpg", PIXELS)) == (2, 3)


def test_read_image_one_channel_is_grey(tmp_path):
    image = images.read_image(_save(tmp_path / "a.png", PIXELS), channels=1)
    assert image.shape == (2, 3, 1)
    # 0.299 R + 0.587 G + 0.114 B of (0, 10, 20): 5.87 + 2.28 = 8.15
    assert image[0, 0, 0] == 8


def test_read_image_four_channels_are_kept(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(images.read_image(_save(tmp_path / "a.png", pixels), channels=4), pixels)


@pytest.mark.parametrize("extension", ["png", "webp", "tif"])
def test_read_image_four_channels_are_turned_by_exif_too(tmp_path, extension):
    pixels = np.random.default_rng(0).integers(1, 256, (20, 30, 4), np.uint8)
    pixels[..., 3] = 255 if extension == "tif" else 200  # in a TIFF another alpha changes the colours
    options = {"lossless": True} if extension == "webp" else {}
    path = _save(tmp_path / f"a.{extension}", pixels, exif=_exif(6), **options)
    image = images.read_image(path, channels=4)
    np.testing.assert_array_equal(image, np.rot90(pixels, k=-1))
    assert image.flags.c_contiguous
    if extension != "tif":
        np.testing.assert_array_equal(images.read_annotated(path, 4, size_hw=(20, 30)), pixels)


def test_read_image_other_channels_must_be_there(tmp_path):
    path = _save(tmp_path / "a.png", PIXELS)
    with pytest.raises(UserError, match=r"a\.png must have 4 channels .* got 3"):
        images.read_image(path, channels=4)


def test_read_image_four_channels_of_16_bits_are_reduced(tmp_path):
    pixels = np.array([[[0, 256, 511, 65535]]], np.uint16)  # as OpenCV writes: blue, green, red, alpha
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert images.read_image(tmp_path / "a.png", channels=4).tolist() == [[[1, 1, 0, 255]]]


def test_read_image_says_what_is_wrong_with_an_empty_file(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UserError, match="cut off or in no known format"):
        images.read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("read", [images.read_image, images.image_size])
@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_read_image_names_a_broken_or_missing_file(tmp_path, read, content):
    path = tmp_path / "broken.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.jpg") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_read_image_a_file_cut_off_is_broken(tmp_path, extension):
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    path = _save(tmp_path / f"cut.{extension}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=r"cut\."):
        images.read_image(path)


def test_read_image_other_depths_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((2, 3, 4), np.float32))
    with pytest.raises(UserError, match=r"a\.tif must have 8 or 16 bits a channel, got float32"):
        images.read_image(tmp_path / "a.tif", channels=4)
