"""Checks that every kind of image becomes the array that its colours are."""

import numpy as np
import pytest
from PIL import Image

from mrcnn.errors import UserError
from mrcnn.predict import inputs

COLOURS = np.zeros((4, 6, 3), np.uint8)
COLOURS[:, :3], COLOURS[:, 3:] = (204, 51, 102), (0, 102, 204)
PICTURE = Image.fromarray(COLOURS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB", "RGBX"])
def test_read_of_a_colour_mode_has_its_colours(mode):
    image = PICTURE.convert("RGB") if mode == "RGB" else PICTURE.convert(mode)
    pixels = inputs.read(image, channels=3)
    assert pixels.dtype == np.uint8
    if mode != "LAB":  # which Pillow converts to through a profile
        assert np.abs(pixels.astype(int) - COLOURS).max() <= 4


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_read_of_grey_has_three_equal_channels(mode):
    pixels = inputs.read(Image.new("L", (6, 4), 255).convert(mode), channels=3)
    assert pixels.shape == (4, 6, 3)
    assert (pixels == 255).all()  # mode 1 holds true there, which is white and not the value 1


def test_read_of_a_palette_with_transparency_has_its_colours():
    image = PICTURE.convert("P")
    image.info["transparency"] = 0
    assert np.abs(inputs.read(image, channels=3).astype(int) - COLOURS).max() <= 4
    assert inputs.read(image, channels=4).shape == (4, 6, 4)


def test_read_of_16_bits_is_divided_by_256():
    image = Image.fromarray(np.full((4, 6), 51_300, np.uint16))
    assert (inputs.read(image, channels=3) == 51_300 // 256).all()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_read_refuses_values_without_a_range(mode):
    with pytest.raises(ValueError, match=f"a Pillow image of mode {mode} has values without a known range; convert"):
        inputs.read(Image.new(mode, (6, 4)), channels=3)


def test_read_turns_by_exif_as_a_file_is_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    PICTURE.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        pixels = inputs.read(image, channels=3)
    np.testing.assert_array_equal(pixels, np.rot90(COLOURS, k=-1))
    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(inputs.read(path, channels=3), pixels)


def test_read_converts_to_the_channels_of_the_model():
    assert inputs.read(PICTURE, channels=1).shape == (4, 6)
    with pytest.raises(ValueError, match="the model takes images with 5 channels, which no Pillow image has"):
        inputs.read(PICTURE, channels=5)


def test_read_names_a_broken_file(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the image .*none\.png"):
        inputs.read(tmp_path / "none.png", channels=3)
    data = PICTURE.resize((200, 200)).tobytes()
    Image.frombytes("RGB", (200, 200), data).save(tmp_path / "a.bmp")
    whole = (tmp_path / "a.bmp").read_bytes()
    (tmp_path / "cut.bmp").write_bytes(whole[: len(whole) // 2])
    with (
        Image.open(tmp_path / "cut.bmp") as image,
        pytest.raises(ValueError, match="the Pillow image cannot be read: "),
    ):
        inputs.read(image, channels=3)


def test_read_all_names_the_place_of_a_bad_image():
    images = inputs.read_all([PICTURE, Image.new("F", (2, 2))], channels=3)
    assert next(images).shape == (4, 6, 3)
    with pytest.raises(ValueError, match="image 1: a Pillow image of mode F"):
        next(images)


@pytest.mark.parametrize(("single", "kind"), [("a.png", "str"), (PICTURE, "Image"), (COLOURS, "array")])
def test_check_many_refuses_a_single_image(single, kind):
    with pytest.raises(ValueError, match=rf"must be a list of images, got a single {kind}; put it in a list: \[image"):
        inputs.check_many(single)
    inputs.check_many([single])
    inputs.check_many(COLOURS[None])


def test_read_uses_the_range_of_the_model(tmp_path):
    image = Image.fromarray(np.full((4, 6), 2048, np.uint16))
    image.save(tmp_path / "a.png")
    for given in (image, tmp_path / "a.png"):
        assert (inputs.read(given, channels=3, image_range=4095) == 128).all()
