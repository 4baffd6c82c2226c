"""Checks reading points."""

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.project import shape


def test_read_points_points_keep_their_kind_of_number():
    whole, fractions = shape.read_points([[1, 2], [3, 4]], what="p"), shape.read_points([[1, 2.5]], what="p")
    assert (whole.dtype, whole.tolist()) == (np.int64, [[1, 2], [3, 4]])
    assert (fractions.dtype, fractions.tolist()) == (np.float64, [[1.0, 2.5]])


@pytest.mark.parametrize("values", [None, [], {}, [[1]], [[1, 2], [3]], [["1", "2"]], [[True, False]], [[1e400, 0]]])
def test_read_points_what_is_no_list_of_points_is_named(values):
    with pytest.raises(UserError, match=r"`corner` must be finite \[x, y\] numbers"):
        shape.read_points(values, what="corner")


@pytest.mark.parametrize("rings", [None, [], {}, {"exterior": []}, {"exterior": None, "interior": []}])
def test_read_exterior_an_exterior_has_a_point(rings):
    with pytest.raises(UserError, match="`exterior` has at least one"):
        shape.read_exterior(rings)


def test_read_exterior_an_exterior_is_read():
    assert shape.read_exterior({"exterior": [[1, 2]]}).tolist() == [[1, 2]]
