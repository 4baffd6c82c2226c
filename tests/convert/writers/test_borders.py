"""Borders of masks, compared with a walk that follows the sides of pixels one by one."""

import numpy as np
import pytest

from mrcnn.convert.writers import borders
from tests.convert.writers import making


def walked(mask):
    """Follows the sides one by one, with the mask on the right; lists the corners passed by each closed walk."""
    padded = np.pad(mask, 1)
    sides = set()
    for y, x in zip(*np.nonzero(padded), strict=True):
        sides |= {((x, y), (1, 0))} if not padded[y - 1, x] else set()
        sides |= {((x + 1, y), (0, 1))} if not padded[y, x + 1] else set()
        sides |= {((x + 1, y + 1), (-1, 0))} if not padded[y + 1, x] else set()
        sides |= {((x, y + 1), (0, -1))} if not padded[y, x - 1] else set()
    walks = []
    while sides:
        corners, (corner, step) = [], min(sides)
        while (corner, step) in sides:
            sides.remove((corner, step))
            corners.append((int(corner[0]) - 1, int(corner[1]) - 1))
            corner = corner[0] + step[0], corner[1] + step[1]
            right = -step[1], step[0]  # pixels that touch at a corner alone are apart: the right turn is first
            left = step[1], -step[0]
            step = next((turn for turn in (right, step, left) if (corner, turn) in sides), step)
        walks.append(corners)
    return walks


def turning(corners):
    """Keeps the corners where a walk turns."""
    points = np.array(corners)
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return points[(before != after).any(axis=1)]


def circle(points):
    """Turns a circle of points so that the smallest is the first."""
    listed = [tuple(point) for point in np.asarray(points).tolist()]
    first = listed.index(min(listed))
    return tuple(listed[first:] + listed[:first])


def corners_of(lines):
    return sorted(circle(line.corners) for line in lines)


def test_follow_a_rectangle_with_the_mask_on_the_right():
    ((line,),) = borders.follow([np.ones((1, 2), bool)])
    assert circle(line.corners) == ((0, 0), (2, 0), (2, 1), (0, 1))
    # of the two tops, the right side, the two bottoms, the left side
    assert circle(line.middles) == ((0, 0.5), (0.5, 0), (1.5, 0), (2, 0.5), (1.5, 1), (0.5, 1))


def test_follow_one_pixel():
    ((line,),) = borders.follow([np.ones((1, 1), bool)])
    assert circle(line.corners) == ((0, 0), (1, 0), (1, 1), (0, 1))


def test_follow_a_hole_the_other_way():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert corners_of(*borders.follow([mask])) == [
        ((0, 0), (3, 0), (3, 3), (0, 3)),
        ((1, 1), (1, 2), (2, 2), (2, 1)),
    ]


def test_follow_pixels_that_touch_at_a_corner_apart():
    assert corners_of(*borders.follow([np.eye(2, dtype=bool)])) == [
        ((0, 0), (1, 0), (1, 1), (0, 1)),
        ((1, 1), (2, 1), (2, 2), (1, 2)),
    ]


@pytest.mark.parametrize("name", making.SHAPES)
def test_follow_is_the_walk_along_the_sides(name):
    mask = making.SHAPES[name]
    assert corners_of(*borders.follow([mask])) == sorted(circle(turning(walk)) for walk in walked(mask))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_follow_several_masks_as_each_alone(share):
    generator = np.random.default_rng(5)
    masks = [generator.random(generator.integers(1, 12, 2)) < share for _ in range(40)]
    together = borders.follow(masks)
    for mask, lines in zip(masks, together, strict=True):
        assert corners_of(lines) == sorted(circle(turning(walk)) for walk in walked(mask))
        sides = sum(len(line.middles) for line in lines)
        assert sides == sum(len(walk) for walk in walked(mask))


def test_follow_masks_whose_canvas_would_be_too_large_one_by_one(monkeypatch):
    masks = [np.ones((1, 9), bool), np.ones((9, 1), bool)]
    together = borders.follow(masks)
    monkeypatch.setattr(borders, "MOST_STACKED", 50)  # the canvas has (1 + 9 + 2) x 9 pixels
    assert list(map(corners_of, borders.follow(masks))) == list(map(corners_of, together))


def test_follow_nothing():
    assert borders.follow([]) == []
    assert borders.follow([np.zeros((2, 3), bool)]) == [[]]
