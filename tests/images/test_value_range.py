"""Checks how the range of 16-bit images is found and used."""

import cv2
import numpy as np
import pytest

from mrcnn.images import pixels as images
from mrcnn.images import value_range


def _save(path, largest, dtype=np.uint16):
    pixels = np.zeros((4, 6), dtype)
    pixels[0, 0] = largest
    assert cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(0, None), (200, 255), (256, 1023), (1023, 1023), (3000, 4095), (4096, 16383), (16384, None), (65535, None)],
)
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_find_returns_the_smallest_range_that_holds_all_values(tmp_path, largest, expected, extension):
    paths = [_save(tmp_path / f"a.{extension}", largest), _save(tmp_path / f"b.{extension}", min(largest, 5))]
    assert value_range.find(paths) == expected


def test_find_passes_over_8_bits_and_what_cannot_be_read(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    others = [_save(tmp_path / "a.png", 200, np.uint8), tmp_path / "broken.png", tmp_path / "none.png"]
    assert value_range.find(others) is None
    assert value_range.find([]) is None
    assert value_range.find([*others, _save(tmp_path / "b.png", 4000)]) == 4095


def test_find_looks_at_few_of_many(tmp_path, monkeypatch):
    monkeypatch.setattr(value_range, "MOST_FILES", 2)
    paths = [_save(tmp_path / f"{index}.png", 900) for index in range(4)]
    assert value_range.find(paths) == 1023
    read = []
    monkeypatch.setattr(value_range, "_largest_value", lambda path: read.append(path) or 900)
    value_range.find(paths)
    value_range.find(paths)
    assert len(read) == 4
    assert read[:2] == read[2:]  # the same two each time
    assert set(read) <= set(paths)


def test_find_leaves_out_the_alpha_channel(tmp_path):
    image = np.full((4, 5, 4), 900, np.uint16)
    image[..., 3] = 65535
    cv2.imwrite(str(tmp_path / "a.png"), image)
    assert value_range.find([tmp_path / "a.png"]) == 1023


def test_to_8_bits_rounds_and_stops_at_the_range():
    values = np.array([[0, 8, 9, 2048, 4095, 60000]], np.uint16)
    # 8 * 255 / 4095 = 0.498, 9: 0.560, 2048: 127.53
    assert value_range.to_8_bits(values, 4095).tolist() == [[0, 0, 1, 128, 255, 255]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_to_8_bits_in_read_image_makes_the_range_white(tmp_path, channels, extension):
    path = _save(tmp_path / f"a.{extension}", 4095)
    assert images.read_image(path, channels)[0, 0, 0] == 15  # without a range nearly black
    image = images.read_image(path, channels, image_range=4095)
    assert image.shape == (4, 6, channels)
    assert (image[0, 0] == 255).all()
    assert image.sum() == 255 * channels


def test_to_8_bits_in_read_image_keeps_colours_and_turns_with_a_range(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint16)
    pixels[..., 2], pixels[..., 1] = 4095, 2048  # OpenCV writes red last
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    assert images.read_image(tmp_path / "a.png", image_range=4095)[0, 0].tolist() == [255, 128, 0]


def test_to_8_bits_in_read_image_with_a_range_leaves_8_bits_alone(tmp_path):
    path = _save(tmp_path / "a.png", 200, np.uint8)
    np.testing.assert_array_equal(images.read_image(path, image_range=1023), images.read_image(path))
