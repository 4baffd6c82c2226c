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


@pytest.mark.parametrize("nothing", [None, 3])
def test_as_many_refuses_what_is_no_list(nothing):
    with pytest.raises(ValueError, match=rf"must be a list of images, .* got {nothing}$"):
        inputs.as_many(nothing)


@pytest.mark.parametrize(("single", "kind"), [("a.png", "str"), (PICTURE, "Image"), (COLOURS, "array")])
def test_as_many_refuses_a_single_image(single, kind):
    with pytest.raises(
        ValueError, match=rf"must be a list of images, .* single {kind}; put an image in a list: \[image"
    ):
        inputs.as_many(single)
    assert inputs.as_many(given := [single]) is given
    assert inputs.as_many(stack := COLOURS[None]) is stack


def test_as_many_refuses_a_url_of_a_list_before_any_image_is_read():
    url = "https://user:secret@example.com/a.png?key=1"
    for one in ([PICTURE, url], (PICTURE, url)):
        with pytest.raises(ValueError, match=r"^image 1: ") as caught:
            inputs.as_many(one)
        assert str(caught.value) == (
            "image 1: the image https://example.com/a.png is a URL, which is not read; `allow_urls=True` downloads it"
        )
        assert inputs.as_many(one, allow_urls=True) is one
    with pytest.raises(ValueError, match=r"image 0: the image URL ftp://a/b\.png must begin with http:// or https://"):
        inputs.as_many(["ftp://a/b.png"], allow_urls=True)
    with pytest.raises(ValueError, match="put an image in a list"):
        inputs.as_many(url, allow_urls=True)


@pytest.fixture
def folder(tmp_path):
    """A folder with two grey images, whose values are 10 and 20, a text and a folder with a third one."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for name, value in (("b.png", 20), ("a.png", 10), ("more/c.png", 30)):
        Image.new("L", (6, 4), value).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def values(images, **options):
    return [int(np.asarray(image).flat[0]) for image in inputs.read_all(images, channels=3, **options)]


def test_read_all_reads_folders_and_patterns_in_sorted_order_and_names_what_is_passed_over(folder):
    lines = []
    given = [np.full((2, 2, 3), 5, np.uint8), folder, str(folder / "**" / "[bc].png"), folder / "more" / "c.png"]
    assert values(given, warn=lines.append) == [5, 10, 20, 20, 30, 30]
    assert lines == [
        f"passed over in {folder}: 1 .txt files (notes.txt), 1 folders (more; the pattern ** looks into them)"
    ]


def test_read_all_of_a_folder_or_pattern_alone(folder):
    for alone in (folder, str(folder), f"{folder}/[ab].png"):
        assert values(inputs.as_many(alone)) == [10, 20]


def test_read_all_reads_the_images_of_a_folder_only_as_needed(folder):
    images = inputs.read_all([folder], channels=3)
    assert next(images).max() == 10
    (folder / "b.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"image 1: cannot decode the image .*b\.png"):
        next(images)


def test_read_all_names_a_folder_and_a_pattern_without_image(folder):
    (folder / "none").mkdir()
    for place, message in (("none", "image 0: the image folder .*none has no image"), ("*.bmp", "matches no image")):
        with pytest.raises(ValueError, match=message):
            values([folder / place])


def test_is_several_reads_a_file_with_a_bracket_in_its_name_as_a_file(tmp_path):
    PICTURE.save(tmp_path / "a[1].png")
    assert not inputs.is_several(tmp_path / "a[1].png")
    assert inputs.is_several(str(tmp_path / "a*"))
    assert not inputs.is_several("https://example.com/a?b=*")
    assert not inputs.is_several(COLOURS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_read_of_a_pillow_image_equals_its_png(mode, channels, tmp_path):
    """One white and one black half, so that 1 channel differs by no rounding; the alpha channel is dropped."""
    half = np.zeros((4, 6), np.uint8)
    half[:, 3:] = 255
    image = Image.fromarray(half.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(half).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(7)
    transparency = {"transparency": 0} if mode == "P" else {}
    image.save(tmp_path / "a.png", **transparency)
    with Image.open(tmp_path / "a.png") as opened:
        assert opened.mode == mode
        pixels = inputs.read(opened, channels=channels)
    np.testing.assert_array_equal(pixels.reshape(4, 6, channels)[..., 0], half)
    np.testing.assert_array_equal(pixels.reshape(4, 6, channels), inputs.read(tmp_path / "a.png", channels=channels))


@pytest.mark.parametrize("mode", ["La", "LAB", "PA", "RGBa"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_read_of_a_rare_mode(mode, channels):
    middle = {"La": "LA", "RGBa": "RGBA"}.get(mode)
    image = (Image.new("RGB", (6, 4)).convert(middle) if middle else Image.new("RGB", (6, 4))).convert(mode)
    pixels = inputs.read(image, channels=channels)
    assert pixels.reshape(4, 6, channels)[..., : min(3, channels)].max() <= 1  # Lab has rounding errors


def test_read_uses_the_range_of_the_model(tmp_path):
    image = Image.fromarray(np.full((4, 6), 2048, np.uint16))
    image.save(tmp_path / "a.png")
    for given in (image, tmp_path / "a.png"):
        assert (inputs.read(given, channels=3, image_range=4095) == 128).all()


@pytest.mark.parametrize("text", [pytest.param("a" * 5000, id="longer than a path"), pytest.param("", id="empty")])
def test_is_several_accepts_a_text_that_is_no_path(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (2, 2)).save("a.png")  # an empty text does not mean the folder of the program
    assert not inputs.is_several(text)
    with pytest.raises(ValueError, match="image 0: cannot read the image "):
        next(inputs.read_all([text], channels=3))
