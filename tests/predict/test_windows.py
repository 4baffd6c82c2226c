"""Window grids."""

import itertools

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.predict import windows


@pytest.mark.parametrize(
    ("length", "side", "step", "expected"),
    [
        (256, 128, 128, [0, 128]),  # the original's examples
        (300, 128, 100, [0, 100, 172]),
        (128, 128, 128, [0]),
        (129, 128, 128, [0, 1]),
        (5, 2, 1, [0, 1, 2, 3]),
    ],
)
def test_where_windows_begin(length, side, step, expected):
    assert windows.starts(length, side, step) == expected


def test_rows_first():
    assert list(windows.cover((4, 6), (2, 3), (0, 0))) == [(0, 0, 2, 3), (0, 3, 2, 6), (2, 0, 4, 3), (2, 3, 4, 6)]


def test_every_pixel_is_seen_and_neighbours_share_at_least_the_overlap():
    seen = np.zeros((50, 71), int)
    for y1, x1, y2, x2 in windows.cover((50, 71), (20, 30), (5, 7)):
        assert (y2 - y1, x2 - x1) == (20, 30)
        seen[y1:y2, x1:x2] += 1
    assert seen.min() == 1
    lefts = windows.starts(71, 30, 23)
    assert min(a + 30 - b for a, b in itertools.pairwise(lefts)) == 7


def test_a_window_larger_than_the_image_is_cut_to_it():
    assert list(windows.cover((10, 300), (128, 128), (100, 28))) == [
        (0, 0, 10, 128),
        (0, 100, 10, 228),
        (0, 172, 10, 300),
    ]
    assert list(windows.cover((10, 20), (128, 128), (0, 0))) == [(0, 0, 10, 20)]


def test_windows_must_move():
    with pytest.raises(ValueError, match="at least a pixel apart, got 0"):
        windows.starts(10, 5, 0)


def test_too_many_windows_are_refused():
    # 101 x 100 windows of one pixel
    with pytest.raises(UserError, match="cut an image of 100x101 into 10100 windows, more than 10000"):
        list(windows.cover((101, 100), (1, 1), (0, 0)))
    assert len(list(windows.cover((100, 100), (1, 1), (0, 0)))) == 10_000
