"""Checks that rings are filled as OpenCV fills them, and in bounded time."""

import contextlib
import time

import cv2
import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.project import outlines


@pytest.mark.parametrize(("low", "high"), [(0, 40), (10, 14), (-5, 45), (-200, 300), (-100_000, 100_000)])
@pytest.mark.parametrize("seed", range(60))
def test_fill_has_the_pixels_of_opencv(monkeypatch, low, high, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 40, 2)
    ring = rng.integers(low, high, (int(rng.integers(1, 30)), 2)).astype(np.int32)
    offset = tuple(rng.integers(-5, 5, 2).tolist())
    expected, canvas = np.zeros((2, height, width), np.uint8)
    cv2.fillPoly(expected, [ring], 1, offset=offset)
    monkeypatch.setattr(outlines, "MOST_EXCHANGES", -1)  # else OpenCV would do it
    outlines.fill(canvas, ring, value=1, offset=offset)
    np.testing.assert_array_equal(canvas, expected)


def test_fill_cuts_a_hole_with_its_outline(monkeypatch):
    monkeypatch.setattr(outlines, "MOST_EXCHANGES", -1)
    canvas = np.ones((5, 5), np.uint8)
    outlines.fill(canvas, np.array([[1, 1], [3, 1], [3, 3], [1, 3]], np.int32), value=0, offset=(0, 0))
    assert canvas.sum() == 25 - 9


@pytest.mark.parametrize("points", [20_000, 60_000])
def test_fill_of_many_crossing_edges_ends_soon(points):
    ring = np.random.default_rng(0).integers(0, 400, (points, 2)).astype(np.int32)
    start = time.process_time()
    canvas = np.zeros((400, 400), np.uint8)
    outlines.fill(canvas, ring, value=1, offset=(0, 0))
    assert time.process_time() - start < 10  # OpenCV takes minutes for the second
    assert canvas.mean() > 0.9


def test_check_length_an_outline_that_would_be_drawn_for_minutes_is_refused():
    ring = np.tile(np.array([[0, 0], [4000, 4000]], np.int32), (10_000, 1))
    with pytest.raises(UserError, match="an outline of 20000 points is 80000000 pixels long, more than 67108864"):
        outlines.check_length(np.zeros((4001, 4001), np.uint8), ring, (0, 0))


@pytest.mark.parametrize(("side", "is_refused"), [(9, False), (2**17, True)])
def test_check_length_counts_only_what_lies_inside(side, is_refused):
    ring = np.array([[-(2**20), 5], [2**20, 5], [0, 2**20]], np.int32)
    canvas = np.broadcast_to(np.uint8(0), (side, side))
    with pytest.raises(UserError, match="simplify it") if is_refused else contextlib.nullcontext() as error:
        outlines.check_length(canvas, np.tile(ring, (1000, 1)), (0, 0))
    assert (error is not None) == is_refused
