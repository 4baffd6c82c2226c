"""Reads instance masks of every kind, and cuts them into objects."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.data import index_masks
from mrcnn.errors import UserError
from tests.convert.drawn_masks import PALETTE, save, save_palette

INDICES = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [3, 0, 0, 0]], np.uint8)


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "TIFF"])
def test_read_indices_of_grey_are_its_values(tmp_path, extension):
    read = index_masks.read_indices(save(tmp_path / f"m.{extension}", INDICES))
    assert (read.tolist(), read.dtype) == (INDICES.tolist(), np.uint8)


@pytest.mark.parametrize("extension", ["png", "bmp", "tif"])
def test_read_indices_of_a_palette_are_indices_though_two_share_a_colour(tmp_path, extension):
    path = save_palette(tmp_path / f"m.{extension}", INDICES)
    with Image.open(path) as image:
        assert (image.mode, image.getpalette()[3:9]) == ("P", PALETTE[3:9])
        assert PALETTE[3:6] == PALETTE[6:9]
    assert index_masks.read_indices(path).tolist() == INDICES.tolist()


def test_read_indices_of_16_bits_are_not_reduced(tmp_path):
    deep = INDICES.astype(np.uint16) * 300  # 300, 600, 900: divided by 256 they would be 1, 2, 3
    for name in ("m.png", "m.tif"):
        assert index_masks.read_indices(save(tmp_path / name, deep)).tolist() == deep.tolist()


def test_read_indices_of_one_bit_are_0_and_255(tmp_path):
    path = save(tmp_path / "m.png", INDICES > 1)
    with Image.open(path) as image:
        assert image.mode == "1"
    assert index_masks.read_indices(path).tolist() == (255 * (INDICES > 1)).tolist()


@pytest.mark.parametrize(
    ("channels", "depth"), [(2, np.uint8), (3, np.uint8), (4, np.uint8), (3, np.uint16), (4, np.uint16)]
)
def test_read_indices_of_equal_channels_are_grey_whatever_the_alpha(tmp_path, channels, depth):
    grey = INDICES.astype(depth)
    layers = [grey] * channels
    if channels in (2, 4):
        layers[-1] = np.full_like(grey, 9)
        layers[-1][0, 0] = 200
    if channels == 2:
        save(tmp_path / "m.png", np.dstack(layers))  # OpenCV writes no grey with alpha, Pillow no RGB of 16 bits
    else:
        cv2.imwrite(str(tmp_path / "m.png"), np.dstack(layers))
    assert index_masks.read_indices(tmp_path / "m.png").tolist() == INDICES.tolist()


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_read_indices_of_colours_are_refused_unless_each_is_an_object(tmp_path, depth):
    colors = np.zeros((2, 3, 3), depth)
    colors[0, 0], colors[0, 1], colors[1, 2] = (0, 0, 7), (0, 7, 0), (0, 0, 7)
    cv2.imwrite(str(tmp_path / "m.png"), colors)
    with pytest.raises(index_masks.ColorError, match=r"m\.png has colours; give --colors objects if"):
        index_masks.read_indices(tmp_path / "m.png")
    read = index_masks.read_indices(tmp_path / "m.png", colors_are_objects=True)
    assert read[0, 0] == read[1, 2] != 0
    assert len({int(read[0, 0]), int(read[0, 1]), 0}) == 3
    assert (read == 0).sum() == 3
    assert index_masks.read_indices(save(tmp_path / "g.png", INDICES), colors_are_objects=True).max() == 3


def test_read_indices_of_colours_that_differ_in_16_bits_alone_stay_apart(tmp_path):
    colors = np.zeros((1, 3, 3), np.uint16)
    colors[0, 1], colors[0, 2] = (0, 0, 1), (0, 1, 0)
    cv2.imwrite(str(tmp_path / "m.png"), colors)
    values = index_masks.read_indices(tmp_path / "m.png", colors_are_objects=True)
    assert len(np.unique(values)) == 3


def test_read_indices_of_objects_in_the_alpha_alone_is_refused(tmp_path):
    rgba = np.zeros((3, 4, 4), np.uint8)
    save(tmp_path / "clear.png", rgba)
    assert not index_masks.read_indices(tmp_path / "clear.png").any()  # alpha is the same everywhere
    rgba[1, 1, 3] = 255
    with pytest.raises(UserError, match=r"m\.png is black, with its objects in the alpha channel"):
        index_masks.read_indices(save(tmp_path / "m.png", rgba))


def test_read_indices_of_broken_files_name_them(tmp_path):
    good = save_palette(tmp_path / "good.png", np.random.default_rng(0).integers(0, 4, (50, 50)).astype(np.uint8))
    data = bytearray(good.read_bytes())
    place = bytes(data).index(b"IDAT") + 40
    data[place : place + 8] = b"\xff" * 8
    (tmp_path / "broken.png").write_bytes(data)
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:-200])
    (tmp_path / "empty.png").write_bytes(b"")
    save(tmp_path / "float.tif", np.ones((3, 4), np.float32))
    save(tmp_path / "int32.tif", np.ones((3, 4), np.int32))
    for name, why in {
        "broken.png": "cannot decode",
        "cut.png": "cannot decode",
        "empty.png": "cannot decode",
        "gone.png": "cannot read",
        "float.tif": "must have 8 or 16 bits a channel, got float32",
        "int32.tif": "must have 8 or 16 bits a channel, got int32",
    }.items():
        with pytest.raises(UserError, match=why) as error:
            index_masks.read_indices(tmp_path / name)
        assert name in str(error.value)


def test_read_indices_of_a_palette_that_declares_a_huge_image_decodes_nothing(tmp_path):
    data = bytearray(save_palette(tmp_path / "m.png", INDICES).read_bytes())
    data[16:24] = struct.pack(">II", 40000, 40000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "m.png").write_bytes(data)
    with pytest.raises(UserError, match=r"m\.png would take 4578 MB when decoded"):  # 40000 * 40000 * 3 / 2**20
        index_masks.read_indices(tmp_path / "m.png")


def test_object_bitmaps_keep_holes_and_join_parts():
    indices = np.zeros((6, 8), np.uint8)
    indices[0:3, 0:3] = 5
    indices[1, 1] = 0  # a hole
    indices[5, 7] = 5  # a second part: the box is the whole image
    indices[4, 2:4] = 2
    found = index_masks.object_bitmaps(indices)
    assert [(value, area) for value, area, _ in found] == [(2, 2), (5, 9)]  # 3 * 3 - 1 + 1
    assert [bitmap.origin_xy for _, _, bitmap in found] == [(2, 4), (0, 0)]
    assert found[0][2].mask.tolist() == [[True, True]]
    assert found[1][2].mask.tolist() == (indices == 5).tolist()


def test_object_bitmaps_of_no_background_and_of_no_object():
    assert index_masks.object_bitmaps(np.zeros((3, 4), np.uint16)) == []
    ((value, area, bitmap),) = index_masks.object_bitmaps(np.full((3, 4), 7, np.uint16))
    assert (value, area, bitmap.mask.all(), bitmap.mask.shape) == (7, 12, True, (3, 4))


def test_object_bitmaps_of_more_than_255_values():
    indices = np.arange(20 * 20, dtype=np.uint16).reshape(20, 20) * 100  # 0, 100, … 39900
    found = index_masks.object_bitmaps(indices)
    assert [value for value, _, _ in found] == [100 * number for number in range(1, 400)]
    assert {area for _, area, _ in found} == {1}
    assert found[-1][2].origin_xy == (19, 19)


def test_object_bitmaps_of_a_photograph_are_refused(monkeypatch):
    indices = np.array([[1, 2, 0], [0, 2, 1]], np.uint8)  # boxes of 2 x 3 and 2 x 1 pixels
    monkeypatch.setattr(index_masks, "MOST_DRAWN", 8)
    assert len(index_masks.object_bitmaps(indices)) == 2
    monkeypatch.setattr(index_masks, "MOST_DRAWN", 7)
    with pytest.raises(UserError, match="the boxes of 2 values have 8 pixels together, more than 7"):
        index_masks.object_bitmaps(indices)


def test_check_size_accepts_each_size_of_the_image(tmp_path):
    index_masks.check_size(tmp_path / "m.png", (3, 4), [(4, 3), (3, 4)])
    with pytest.raises(UserError, match=r"m\.png has size \(5, 4\), its image \(4, 3\)"):
        index_masks.check_size(tmp_path / "m.png", (5, 4), [(4, 3), (3, 4)])
