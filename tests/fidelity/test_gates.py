import numpy as np
import pytest

from tests.fidelity import gates
from tests.fidelity.gates import Gate, Result

GATE = Gate(0.25, "units", "a quarter")


def test_a_difference_passes_up_to_its_gate():
    assert Result("x", GATE, 0.25).passed
    assert not Result("x", GATE, 0.26).passed
    assert not Result("x", GATE, np.nan).passed
    assert str(Result("x", GATE, 0.5)) == "x: units 0.5, allowed 0.25"


def test_close_measures_the_largest_difference():
    assert gates.close("x", [1.0, 2.0], [1.5, 1.0], GATE).difference == 1.0
    assert gates.close("x", [], [], GATE).difference == 0.0
    assert gates.close("x", [1.0, np.nan], [1.0, 2.0], GATE).passed is False
    assert gates.close("x", [1.0], [1.0, 1.0], GATE).difference == np.inf


def test_relative_measures_in_shares_of_what_is_expected():
    assert gates.relative("x", [1.5, 8.0], [1.0, 10.0], GATE).difference == 0.5
    assert gates.relative("x", np.nan, 1.0, GATE).passed is False


def test_gradient_measures_direction_as_well_as_size():
    assert gates.gradient("x", [0.0, 3.0], [4.0, 0.0], GATE).difference == 5 / 4
    assert gates.gradient("x", [4.0, 0.0], [4.0, 0.0], GATE).difference == 0.0


def test_as_set_ignores_order_but_not_multiplicity():
    rows = np.array([[0.1] * 4, [0.5] * 4])
    assert gates.as_set("x", rows[::-1], rows, GATE).difference == 0.0
    assert gates.as_set("x", rows[:1], rows, GATE).difference == 1 / 2
    assert gates.as_set("x", rows, rows[[0, 0]], GATE).difference == 1 / 2
    assert gates.as_set("x", rows + 2 * gates.NEAR, rows, GATE).difference == 1.0


@pytest.mark.parametrize(
    ("expected", "difference"), [([1, 1, 0, 0], 0.0), ([1, 1, 1, 0], 1 - 2 / 3), ([0, 0, 1, 1], 1.0)]
)
def test_overlap_measures_the_worst_mask(expected, difference):
    got = np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]]], bool)
    other = np.array([np.reshape(expected, (2, 2)), np.zeros((2, 2))], bool)
    assert gates.overlap("x", got, other, GATE).difference == pytest.approx(difference)
    assert gates.overlap("x", got[:1], other, GATE).difference == np.inf
