"""The masks of a COCO file's objects as runs, and those that cannot be drawn."""

from pathlib import Path

import numpy as np
import pytest

from mrcnn.data.coco import masks, objects
from mrcnn.data.coco.annotations import CocoObject
from mrcnn.data.coco.file import CocoImage
from mrcnn.data.tally import Tally
from mrcnn.project.geometry import Bitmap
from tests.data.coco.cases import HEIGHT, SQUARE, SQUARE_PIXELS, WIDTH

FAR = [60, 2, 70, 2, 70, 5, 60, 5]
WRAPPED = {"size": [4, 3], "counts": [3, 2, 7]}  # the last pixel of the first column and the first of the second


def image(*segmentations, height=HEIGHT, width=WIDTH):
    found = tuple(CocoObject("cat", item, False, f"annotation {number}") for number, item in enumerate(segmentations))
    return CocoImage("a.png", Path("a.png"), height, width, found)


def read(*segmentations, **size):
    tally = Tally()
    return [geometry for _, geometry in objects.read_objects(image(*segmentations, **size), tally)], tally.lines()


def test_run_lengths_of_two_parts_are_one_mask():
    ((geometry,), lines) = read([SQUARE, FAR])
    mask, corner = geometry.to_mask(HEIGHT, WIDTH)
    assert (mask.shape, corner, lines) == ((28, 60), (2, 10), [])  # rows 2 to 29, columns 10 to 69
    assert mask.sum() == SQUARE_PIXELS + 3 * 10
    np.testing.assert_array_equal(mask[8:28, :20], True)


def test_run_lengths_that_go_on_in_the_next_column():
    ((geometry,), _) = read(WRAPPED, height=4, width=3)
    mask, corner = geometry.to_mask(4, 3)
    assert corner == (0, 0)
    np.testing.assert_array_equal(mask, [[0, 1], [0, 0], [0, 0], [1, 0]])


@pytest.mark.parametrize("segmentation", [[SQUARE, FAR], [SQUARE]])
def test_run_lengths_are_written_as_the_bitmap_of_the_same_pixels(segmentation):
    ((geometry,), _) = read(segmentation)
    drawn = masks.draw(segmentation, height=HEIGHT, width=WIDTH)
    again = Bitmap.from_json(geometry.to_json())
    assert again.origin_xy == drawn.origin[::-1]
    np.testing.assert_array_equal(again.mask, drawn.mask)


def test_run_lengths_beyond_32_bits_keep_their_place():
    start = 2**32 + 5
    geometry = objects.RunLengths((np.array([start]), np.array([start + 3])), height=2**20)
    mask, corner = geometry.to_mask(2**20, 2**13)
    assert (mask.shape, corner) == ((3, 1), (5, 4096))


def test_read_objects_counts_the_broken_and_keeps_the_others():
    found, lines = read([SQUARE], [[1, 2]], None, [SQUARE[:5]], {"size": [1, 1], "counts": [1]}, [SQUARE, [1, 2, 3, 4]])
    assert [geometry.draw()[0].sum() for geometry in found] == [SQUARE_PIXELS, SQUARE_PIXELS]
    assert [line.split(":")[0] for line in lines] == [
        "2 objects left out, the outline has invalid coordinates",
        "1 object left out, no mask",
        "1 object left out, the run lengths do not fit the image",
        "1 object with a part of fewer than 3 points or an odd count of numbers, drawn without that part",
    ]


def test_read_objects_of_an_image_without_any():
    assert read() == ([], [])


def test_read_objects_stops_where_an_image_has_too_much(monkeypatch):
    monkeypatch.setattr(objects, "MOST_DRAWN", SQUARE_PIXELS)
    found, (line,) = read([SQUARE], [SQUARE], [SQUARE], [SQUARE])
    assert len(found) == 2  # the second is the first beyond 400 pixels
    assert line.startswith("2 objects left out, the objects before it have more than")
