import numpy as np
import pytest

from mrcnn.ops import cells
from tests.traced import both


def _marked(*pixels, images=1, hw=(8, 8)):
    marked = np.zeros((images, *hw), bool)
    for pixel in pixels:
        marked[pixel] = True
    return marked


def _cells_on(marked, image_index, rois, size):
    return both(
        lambda m, i, r: cells.cells_on(m, i, r, size=size),
        marked,
        np.int32(image_index),
        np.float32(rois).reshape(-1, 4),
    )


def test_cells_on_a_pixel_marks_the_cells_it_touches():
    # 8 / 4 = 2 pixels a cell: pixel (2, 5) is in cell (1, 2) alone. Cells of one pixel from 1.5 and 3.5 on: row 2 lies
    # in [1.5, 2.5) and [2.5, 3.5), column 5 in [4.5, 5.5) and [5.5, 6.5).
    got = _cells_on(_marked((0, 2, 5)), [0, 0], [[0, 0, 8, 8], [1.5, 3.5, 5.5, 7.5]], 4)
    assert np.argwhere(got[0]).tolist() == [[1, 2]]
    assert np.argwhere(got[1]).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_cells_on_each_region_looks_at_its_own_image():
    marked = _marked((0, 0, 0), (1, 7, 7), images=2)
    got = _cells_on(marked, [1, 0, 1], [[0, 0, 8, 8]] * 3, 2)
    assert [np.argwhere(one).tolist() for one in got] == [[[1, 1]], [[0, 0]], [[1, 1]]]


def test_cells_on_what_lies_outside_the_image_is_not_marked():
    # from -8 to 16 in three cells: only the middle one is on the image
    got = _cells_on(_marked(np.s_[:]), [0], [[-8, -8, 16, 16]], 3)
    assert np.argwhere(got[0]).tolist() == [[1, 1]]


def test_cells_on_regions_without_area_touch_nothing():
    got = _cells_on(_marked(np.s_[:]), [0, 0, 0], [[0, 0, 0, 0], [2.5, 1, 2.5, 7], [3, 3, 5, 3]], 2)
    assert not got.any()


@pytest.mark.parametrize("marked", [_marked(), _marked(np.s_[:])])
def test_cells_on_no_regions(marked):
    assert _cells_on(marked, [], [], 3).shape == (0, 3, 3)


def test_cells_on_nothing_marked():
    assert not _cells_on(_marked(images=2), [0, 1], [[0, 0, 8, 8]] * 2, 3).any()


def test_cells_on_random_regions_agree_with_looking_at_every_pixel():
    random = np.random.default_rng(0)
    marked, size = random.random((2, 9, 13)) < 0.03, 5
    corners = random.uniform(-4, 10, (40, 2))
    rois = np.concatenate([corners, corners + random.uniform(0.3, 14, (40, 2))], axis=1).astype(np.float32)
    image_index = random.integers(0, 2, 40)
    expected = np.zeros((40, size, size), bool)
    for number, (image, roi) in enumerate(zip(image_index, rois.astype(float), strict=True)):
        for row, column in np.ndindex(size, size):
            y1, x1 = roi[:2] + (roi[2:] - roi[:2]) * np.array([row, column]) / size
            y2, x2 = roi[:2] + (roi[2:] - roi[:2]) * np.array([row + 1, column + 1]) / size
            for _, y, x in np.argwhere(marked[image : image + 1]):
                expected[number, row, column] |= y1 < y + 1 and y < y2 and x1 < x + 1 and x < x2
    assert 0.05 < expected.mean() < 0.5
    np.testing.assert_array_equal(_cells_on(marked, image_index, rois, size), expected)


def test_points_on_finds_the_points_on_marked_pixels():
    # pixel (row 2, column 5) spans x 5..6 and y 2..3
    marked = _marked((1, 2, 5), images=2)
    points = np.float32([[[5.0, 2.0], [5.99, 2.99], [6.0, 2.5], [5.5, 3.0], [-0.5, 2.5], [5.5, 8.0]]] * 2)
    got = both(cells.points_on, marked, np.int32([1, 0]), points)
    assert got.tolist() == [[True, True, False, False, False, False], [False] * 6]


def test_points_on_is_false_outside_an_image_that_is_marked_everywhere():
    marked = np.ones((1, 2, 3), bool)
    points = np.float32([[[0, 0], [2.9, 1.9], [3, 1], [1, 2], [-0.1, 0], [0, -0.1], [1e9, -1e9]]])
    assert both(cells.points_on, marked, np.int32([0]), points).tolist() == [[True, True, *[False] * 5]]


def test_points_on_of_no_region_and_of_no_point():
    marked = np.ones((1, 2, 3), bool)
    assert both(cells.points_on, marked, np.zeros(0, "int32"), np.zeros((0, 4, 2), "float32")).shape == (0, 4)
    assert both(cells.points_on, marked, np.int32([0]), np.zeros((1, 0, 2), "float32")).shape == (1, 0)
