"""Outlines of masks, drawn again by pycocotools: the same pixels."""

import numpy as np
import pytest
from pycocotools import mask as pycocotools_mask

from mrcnn.convert.writers import outlines
from tests.convert.writers import making

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools


def drawn(rings, *, height, width):
    """Draws the union of rings."""
    if not rings:
        return np.zeros((height, width), bool)
    runs = pycocotools_mask.frPyObjects([ring.ravel().tolist() for ring in rings], height, width)
    return pycocotools_mask.decode(pycocotools_mask.merge(runs)).astype(bool)


def redrawn(found, shape):
    """Draws the parts without the holes."""
    return drawn(found.parts, height=shape[0], width=shape[1]) & ~drawn(found.holes, height=shape[0], width=shape[1])


def area(ring):
    """Computes the area inside a ring, positive if it is clockwise in the image."""
    (x, y), (after_x, after_y) = ring.T, np.roll(ring, -1, axis=0).T
    return (x * after_y - after_x * y).sum() / 2


def test_trace_of_a_rectangle_is_its_corners():
    found = outlines.trace(np.ones((2, 3), bool), (5, 10))
    # rows 5 and 6, columns 10 to 12: the sides lie at 5 and 7, 10 and 13
    (ring,) = found.parts
    assert sorted(ring.tolist()) == [[10, 5], [10, 7], [13, 5], [13, 7]]
    assert area(ring) == 2 * 3
    assert found.holes == ()


def test_trace_of_one_pixel():
    (ring,) = outlines.trace(np.ones((1, 1), bool)).parts
    assert sorted(ring.tolist()) == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert area(ring) == 1


def test_trace_turns_around_a_hole_the_other_way():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    found = outlines.trace(mask)
    assert [area(ring) for ring in found.parts] == [9]
    assert [area(ring) for ring in found.holes] == [-1]
    assert sorted(found.holes[0].tolist()) == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_trace_parts_that_touch_at_a_corner_are_two_and_a_hole_may_be_open_there():
    assert [area(ring) for ring in outlines.trace(np.eye(2, dtype=bool)).parts] == [1, 1]
    open_corner = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    found = outlines.trace(open_corner)
    assert ([area(ring) for ring in found.parts], found.holes) == ([7], ())


def test_trace_lists_the_largest_part_first():
    mask = np.array([[1, 0, 1, 1], [0, 0, 1, 1]], bool)
    assert [area(ring) for ring in outlines.trace(mask).parts] == [4, 1]


@pytest.mark.parametrize("name", making.SHAPES)
def test_trace_is_drawn_as_the_mask(name):
    item = making.cropped(making.SHAPES[name])
    found = outlines.trace(item.mask, item.origin)
    np.testing.assert_array_equal(redrawn(found, making.SHAPES[name].shape), making.SHAPES[name])
    points = np.concatenate(found.rings)
    np.testing.assert_array_equal(points * 2, np.rint(points * 2))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 4), (9, 23), (33, 16)])
def test_trace_of_noise_is_drawn_as_the_mask(size, share):
    generator = np.random.default_rng(7)
    for _ in range(10):
        mask = generator.random(size) < share
        if mask.any():
            np.testing.assert_array_equal(redrawn(outlines.trace(mask), size), mask)


def test_trace_of_a_disc_has_fewer_points_than_corners(monkeypatch):
    disc = making.cropped(making.disc())
    (ring,) = outlines.trace(disc.mask).parts
    monkeypatch.setattr(outlines, "MOST_COMPARED", 0)
    (corners,) = outlines.trace(disc.mask).parts
    assert 8 <= len(ring) < 0.7 * len(corners)


def test_trace_of_many_rings_follows_the_sides_of_pixels(monkeypatch):
    disc = making.cropped(making.disc()).mask
    monkeypatch.setattr(outlines, "MOST_COMPARED", 0)
    (ring,) = outlines.trace(disc).parts
    steps = np.abs(ring - np.roll(ring, 1, axis=0))
    assert (steps.min(axis=1) == 0).all()
    np.testing.assert_array_equal(redrawn(outlines.trace(disc), disc.shape), disc)


def test_trace_follows_the_sides_of_pixels_where_fewer_points_are_drawn_otherwise(monkeypatch):
    monkeypatch.setattr(outlines, "THINNED", 4.0)
    disc = making.cropped(making.disc()).mask
    np.testing.assert_array_equal(redrawn(outlines.trace(disc), disc.shape), disc)


@pytest.mark.parametrize("name", making.SHAPES)
def test_joined_is_one_ring_with_the_pixels_of_the_mask(name):
    item = making.cropped(making.SHAPES[name])
    ring = outlines.joined(outlines.trace(item.mask, item.origin))
    np.testing.assert_array_equal(drawn([ring], height=making.HEIGHT, width=making.WIDTH), making.SHAPES[name])


def test_joined_by_the_shortest_line_and_back():
    mask = np.array([[1, 0, 1]], bool)
    ring = outlines.joined(outlines.trace(mask))
    # a square from 0 to 1, over to 2 where the second begins, around it, and back to 1
    assert len(ring) == 4 + 4 + 2
    lines = np.abs(np.diff(np.vstack((ring, ring[:1])), axis=0)).sum(axis=1)
    assert lines.sum() == 4 + 4 + 2 * 1


def test_joined_where_both_are_nearest():
    # two pixels from 2 to 4, then one from 0 to 1: 6 + 4 sides, and the line from 2 to 1 and back
    ring = outlines.joined(outlines.trace(np.array([[1, 0, 1, 1]], bool)))
    assert np.abs(ring - np.roll(ring, 1, axis=0)).sum() == 6 + 4 + 2 * 1


def test_joined_leaves_holes_empty_for_opencv_too():
    mask = making.boxes((5, 5, 35, 55)) & ~making.boxes((15, 20, 25, 40))
    item = making.cropped(mask)
    canvas = making.draw([outlines.joined(outlines.trace(item.mask, item.origin))])
    assert not canvas[18:22, 24:36].any()
    assert canvas[6:14, 6:54].all()


def test_joined_of_long_rings_compares_some_points(monkeypatch):
    item = making.cropped(making.SHAPES["hole and part"])
    monkeypatch.setattr(outlines, "MOST_PAIRS", 2)
    ring = outlines.joined(outlines.trace(item.mask, item.origin))
    whole = making.SHAPES["hole and part"]
    np.testing.assert_array_equal(drawn([ring], height=making.HEIGHT, width=making.WIDTH), whole)


def test_trace_all_as_each_alone():
    items = [making.cropped(shape) for shape in making.SHAPES.values()]
    for item, found in zip(items, outlines.trace_all([item.drawn for item in items]), strict=True):
        alone = outlines.trace(item.mask, item.origin)
        assert [len(ring) for ring in found.rings] == [len(ring) for ring in alone.rings]
        np.testing.assert_array_equal(np.concatenate(found.rings), np.concatenate(alone.rings))
    assert outlines.trace_all([]) == []


def test_draws_sees_a_part_that_is_drawn_twice_or_elsewhere():
    mask = np.ones((2, 2), bool)
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], np.float32)
    beyond = square + np.array((2, 0), np.float32)
    assert outlines._draws([square], [4], mask)
    assert not outlines._draws([square, square, square], [4, 4, 4], mask)  # an odd number: the same edges
    assert not outlines._draws([square / 2], [1], mask)
    assert outlines._draws([square, beyond], [4, 4], np.ones((2, 4), bool))
