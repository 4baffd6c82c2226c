"""Reads folders with one binary mask for each object."""

import numpy as np

from mrcnn.convert import object_masks
from mrcnn.data.tally import Tally

from .drawn_masks import save, save_palette

SIZE_HW = (4, 6)


def _box(top, left, bottom, right, value=255, *, size_hw=SIZE_HW):
    mask = np.zeros(size_hw, np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def _read(folder, *sizes, void=None):
    tally = Tally()
    size_hw, objects = object_masks.read_folder(folder, sizes or [SIZE_HW], tally=tally, void=void)
    return size_hw, objects, tally.lines()


def test_read_folder_of_two_objects_that_overlap_keeps_all_pixels_of_both(tmp_path):
    save(tmp_path / "a/2.png", _box(0, 0, 3, 3))  # 3 * 3 pixels
    save(tmp_path / "a/10.png", _box(1, 1, 4, 5))  # 3 * 4, of them 2 * 2 in the other
    size_hw, objects, lines = _read(tmp_path / "a")
    assert (size_hw, lines) == (SIZE_HW, [])
    assert [(name, area, bitmap.origin_xy) for name, area, bitmap in objects] == [
        ("a/10.png", 12, (1, 1)),
        ("a/2.png", 9, (0, 0)),
    ]
    assert [bitmap.mask.tolist() for _, _, bitmap in objects] == [[[True] * 4] * 3, [[True] * 3] * 3]


def test_read_folder_of_holes_and_parts_is_one_object(tmp_path):
    mask = _box(0, 0, 3, 3, 1)
    mask[1, 1], mask[3, 5] = 0, 200
    save(tmp_path / "a/1.png", mask)
    ((_, area, bitmap),) = _read(tmp_path / "a")[1]
    assert area == 9  # 3 * 3 - 1 + 1
    assert bitmap.mask.tolist() == (mask > 0).tolist()


def test_read_folder_of_any_value_that_is_not_0(tmp_path):
    mask = _box(0, 0, 2, 2, 1)
    save(tmp_path / "a/bits.png", mask > 0)
    save(tmp_path / "a/colour.png", np.dstack([mask * 0, mask * 9, mask]))
    save(tmp_path / "a/deep.tif", mask.astype(np.uint16))  # 1 of 65535: 0 if divided by 256
    save_palette(tmp_path / "a/palette.png", mask)
    assert [(name, area) for name, area, _ in _read(tmp_path / "a")[1]] == [
        ("a/bits.png", 4),
        ("a/colour.png", 4),
        ("a/deep.tif", 4),
        ("a/palette.png", 4),
    ]


def test_read_folder_leaves_out_and_names_what_cannot_be_used(tmp_path):
    folder = tmp_path / "a"
    data = save(folder / "1.png", _box(0, 0, 1, 1)).read_bytes()
    save(folder / "2.png", _box(0, 0, 0, 0))
    save(folder / "3.png", _box(0, 0, 1, 1, size_hw=(4, 5)))
    (folder / "4.png").write_bytes(b"")
    (folder / "5.png").write_bytes(data[:-20])
    (folder / "6.png").symlink_to("nothing")
    save(folder / "7.jpg", _box(0, 0, 1, 1))
    for name in ("note.txt", ".hidden.png"):
        (folder / name).touch()
    (folder / "more").mkdir()
    _, objects, lines = _read(folder)
    assert [name for name, _, _ in objects] == ["a/1.png"]
    assert lines[:2] == [
        "2 items ignored in the folders of masks: a/note.txt; a/more",
        "1 mask left out, only PNG, BMP and TIFF keep every value: a/7.jpg",
    ]
    assert lines[2] == "1 mask left out, it is empty: a/2.png"
    assert lines[3].startswith("1 mask left out, another size than its image (height, width): ")
    assert lines[3].endswith("3.png has size (4, 5), its image (4, 6)")
    assert lines[4].startswith("3 masks left out, it cannot be used: ")
    assert len(lines) == 5


def test_read_folder_without_masks_has_no_object(tmp_path):
    (tmp_path / "a").mkdir()
    assert _read(tmp_path / "a", (4, 6), (6, 4)) == ((4, 6), [], [])


def test_read_folder_of_a_turned_image_has_the_size_of_its_first_mask(tmp_path):
    save(tmp_path / "a/1.png", _box(0, 0, 5, 1, size_hw=(6, 4)))
    save(tmp_path / "a/2.png", _box(0, 0, 1, 1))
    size_hw, objects, lines = _read(tmp_path / "a", (4, 6), (6, 4))
    assert (size_hw, [area for _, area, _ in objects]) == ((6, 4), [5])
    assert lines[0].endswith("2.png has size (4, 6), its image (6, 4)")


def test_read_folder_leaves_out_the_value_of_no_object(tmp_path):
    mask = _box(0, 0, 2, 2, 1)
    mask[3] = 255
    save(tmp_path / "a/1.png", mask)
    assert [_read(tmp_path / "a", void=void)[1][0][1] for void in (None, 255)] == [10, 4]  # 2 * 2 + 6
