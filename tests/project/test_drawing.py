"""Checks drawing inside an object's own box."""

import numpy as np

from mrcnn.project import drawing


def test_floor_goes_down_also_below_zero_and_stops_at_the_limit():
    points = np.array([[1.9, -0.1], [1e30, -1e30]])
    limit = drawing.COORDINATE_LIMIT
    assert drawing.floor(points).tolist() == [[1, -1], [limit, -limit]]


def test_draw_inside_gives_a_canvas_of_the_clipped_box():
    seen = []

    def draw(canvas, offset):
        seen.append((canvas.shape, offset))
        canvas[:] = 1

    # x from -3 to 4.5 and y from 2 to 90 in a 10 x 6 image: columns 0..4, rows 2..9.
    mask, corner = drawing.draw_inside(np.array([[-3, 2], [4.5, 90]]), draw, height=10, width=6)
    assert seen == [((8, 5), (0, -2))]
    assert (mask.shape, corner) == ((8, 5), (2, 0))


def test_draw_inside_is_none_when_outside_or_nothing_is_drawn():
    outline = np.array([[2, 2], [3, 3]])
    assert drawing.draw_inside(outline, lambda canvas, _: canvas.fill(1), height=2, width=9) is None
    assert drawing.draw_inside(outline, lambda canvas, _: None, height=9, width=9) is None


def test_tight_crops_and_moves_the_corner():
    mask = np.zeros((5, 6), bool)
    mask[1, 4] = mask[3, 2] = True
    cropped, corner = drawing.tight(mask, 10, 20)
    assert cropped.tolist() == [[False, False, True], [False, False, False], [True, False, False]]
    assert corner == (11, 22)
    assert cropped.flags.c_contiguous
    assert not np.shares_memory(cropped, mask)


def test_tight_of_nothing_is_none():
    assert drawing.tight(np.zeros((2, 2), bool), 0, 0) is None
    assert drawing.tight(np.zeros((0, 2), bool), 0, 0) is None


def test_union_covers_all_pieces():
    one = np.ones((1, 1), bool)
    mask, corner = drawing.union([(one, (5, 7)), None, (one, (4, 9))])
    assert corner == (4, 7)
    assert mask.tolist() == [[False, False, True], [True, False, False]]


def test_union_of_nothing_is_none():
    assert drawing.union([]) is None
    assert drawing.union([None]) is None


def test_onto_last_only_the_end_itself_is_moved_onto_the_last_pixel():
    pixels = np.array([[6, 4], [7, 5], [-1, 3]])
    assert drawing.onto_last(pixels, height=4, width=6).tolist() == [[5, 3], [7, 5], [-1, 3]]


def test_fill_cuts_holes():
    square, hole = np.array([[0, 0], [4, 0], [4, 4], [0, 4]]), np.array([[2, 2]])
    mask, corner = drawing.fill(square, [hole], height=9, width=9)
    assert (mask.sum(), corner, bool(mask[2, 2])) == (24, (0, 0), False)
