"""Folders of images and instance masks, as training reads them."""

import time

import cv2
import numpy as np
import pytest

from mrcnn.data.formats import png_masks, table
from mrcnn.data.formats.record import Job
from mrcnn.errors import UserError

SIZE = (8, 10)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def image(path, size=SIZE):
    write(path, np.full((*size, 3), 90, np.uint8))


def values(**boxes):
    """Draws a mask; each argument `v<number>` is (y1, x1, y2, x2)."""
    mask = np.zeros(SIZE, np.uint8)
    for name, (y1, x1, y2, x2) in boxes.items():
        mask[y1:y2, x1:x2] = int(name[1:])
    return mask


def read(root, **rest):
    job = Job(root, **rest)
    return job, table.read("png_masks", job)


def masks_of(item):
    canvases = []
    for label in item.annotation.labels:
        mask, (y, x) = label.geometry.to_mask(*SIZE)
        canvas = np.zeros(SIZE, bool)
        canvas[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        canvases.append(canvas)
    return canvases


@pytest.mark.parametrize("suffix", ["", "_mask"])
def test_read_values_of_a_mask_as_objects(tmp_path, suffix):
    mask = values(v1=(0, 0, 4, 4), v7=(4, 4, 8, 10))
    mask[1, 1] = 0  # a hole
    for name in ("a", "ab"):
        image(tmp_path / "images" / f"{name}.jpg")
        write(tmp_path / "masks" / f"{name}{suffix}.png", mask)
    assert table.guess(tmp_path) == "png_masks"
    job, found = read(tmp_path)
    assert [(item.name, item.split) for item in found] == [("a.jpg", None), ("ab.jpg", None)]
    for item in found:
        np.testing.assert_array_equal(masks_of(item), [mask == 1, mask == 7])
        assert {label.class_title for label in item.annotation.labels} == {"object"}
    assert (job.report.kept, job.report.lost_images) == ({"object": 4}, 0)


def test_read_folders_with_a_file_for_each_object_that_may_overlap(tmp_path):
    image(tmp_path / "images" / "a.png")
    first, second = values(v255=(0, 0, 4, 4)), values(v1=(2, 2, 6, 6))
    write(tmp_path / "masks" / "a" / "1.png", first)
    write(tmp_path / "masks" / "a" / "2.png", second)
    write(tmp_path / "masks" / "a" / "3.png", values())
    job, (item,) = read(tmp_path)
    np.testing.assert_array_equal(masks_of(item), [first > 0, second > 0])
    assert job.report.lost == {"object": 1}
    assert "in 3.png" in job.report.tally.lines()[0]


def test_read_the_data_science_bowl(tmp_path):
    for name in ("1f", "2e"):
        image(tmp_path / name / "images" / f"{name}.png")
        write(tmp_path / name / "masks" / "x.png", values(v255=(0, 0, 4, 4)))
        write(tmp_path / name / "masks" / "y.png", values(v255=(4, 4, 8, 8)))
    _, found = read(tmp_path)
    assert [(item.name, len(item.annotation.labels)) for item in found] == [("1f.png", 2), ("2e.png", 2)]


def test_read_splits_by_folder_and_penn_fudans_names(tmp_path):
    for split in ("train", "valid"):
        image(tmp_path / split / "PNGImages" / f"{split}.png")
        write(tmp_path / split / "PedMasks" / f"{split}_mask.png", values(v1=(0, 0, 4, 4)))
    _, found = read(tmp_path)
    assert [item.split for item in found] == ["train", "val"]


def test_read_an_image_without_objects_and_what_is_left_out(tmp_path):
    names = ("colours", "empty", "none", "size", "used")
    for name in names:
        image(tmp_path / "images" / f"{name}.png")
    write(tmp_path / "masks" / "empty.png", values())
    write(tmp_path / "masks" / "used.png", values(v3=(0, 0, 2, 2)))
    write(tmp_path / "masks" / "size.png", values(v3=(0, 0, 2, 2))[:4])
    write(tmp_path / "masks" / "colours.png", np.dstack([values(v3=(0, 0, 2, 2))] * 2 + [values(v9=(0, 0, 2, 2))]))
    job, found = read(tmp_path)
    assert [(item.name, len(item.annotation.labels)) for item in found] == [("empty.png", 0), ("used.png", 1)]
    text = "\n".join(job.report.tally.lines())
    assert job.report.lost_images == 3
    for part in ("2 images left out, its mask cannot be used", "--colors objects", "(4, 10)", "it has no mask: images"):
        assert part in text


def test_fits_only_folders_with_both(tmp_path):
    (tmp_path / "images").mkdir()
    assert not png_masks.fits(tmp_path)
    assert not png_masks.fits(tmp_path / "file")
    with pytest.raises(UserError, match="it lists none"):
        read(tmp_path)
    (tmp_path / "a" / "b" / "images").mkdir(parents=True)
    (tmp_path / "a" / "b" / "masks").mkdir()
    assert png_masks.fits(tmp_path)
    assert not png_masks.fits(tmp_path.parent.parent / "nothing")


def test_suffix_is_what_most_masks_add_to_the_longest_name():
    assert png_masks._suffix(["a", "ab"], ["a_m", "ab_m", "a", "other"]) == "_m"  # not "b_m", of a
    assert png_masks._suffix(["a"], []) == ""
    stems = [f"{number:06}" for number in range(20_000)]
    before = time.process_time()
    assert png_masks._suffix(stems, [f"{stem}_mask" for stem in stems]) == "_mask"
    assert time.process_time() - before < 5  # comparing each name with each took a minute
