"""Numbers of boxes and ellipses."""

import pytest

from mrcnn.data.formats import outlines
from mrcnn.errors import UserError


def test_numbers_also_as_text():
    assert outlines.numbers({"x": "1.5", "y": 2}, "x", "y") == [1.5, 2.0]


@pytest.mark.parametrize("value", [None, "a", "nan", float("inf"), [], 10**400])
def test_numbers_refuses(value):
    with pytest.raises(UserError, match="`x` must be a number, got"):
        outlines.numbers({"x": value}, "x")
    with pytest.raises(UserError, match="`x` must be a number, got None"):
        outlines.numbers({}, "x")


def test_number_that_may_be_missing():
    assert [outlines.number(content, "x", 7) for content in ({}, {"x": None}, {"x": ""}, {"x": "3"})] == [7, 7, 7, 3]


def test_extent_is_above_zero():
    assert outlines.extent({"w": 3, "h": "4"}, "w", "h") == (3, 4)
    with pytest.raises(UserError, match="`w` and `h` must be above 0, got 0 and 4"):
        outlines.extent({"w": 0, "h": 4}, "w", "h")
