import math

import pytest

from mrcnn.evaluate.analysis import calibration
from tests.evaluate.analysis.test_curves import ranked


def test_bins_and_expected_error():
    given = ranked([1, 1, 0, 0], [1.0, 0.9, 0.8, 0.25], objects=[0, 2])
    found = calibration.bins(given, count=4)
    assert [(one.low, one.high, one.detections) for one in found] == [
        (0, 0.25, 0),
        (0.25, 0.5, 1),
        (0.5, 0.75, 0),
        (0.75, 1, 3),
    ]
    assert (found[3].score, found[3].precision) == (pytest.approx(0.9), pytest.approx(2 / 3))
    assert (found[1].score, found[1].precision) == (0.25, 0.0)
    assert math.isnan(found[0].precision)
    # 3/4 of |0.9 - 2/3| and 1/4 of 0.25
    assert calibration.expected_error(found) == pytest.approx(0.75 * (0.9 - 2 / 3) + 0.25 * 0.25)


def test_expected_error_of_scores_that_promise_too_much_and_too_little():
    # half of the detections by 0.25 too low (0.75, all right), half by 0.25 too high (0.25, none right)
    found = calibration.bins(ranked([1, 0], [0.75, 0.25], objects=[0, 1]), count=4)
    assert calibration.expected_error(found) == pytest.approx(0.25)


def test_expected_error_of_nothing():
    found = calibration.bins(ranked([], [], objects=[0, 0]))
    assert [one.detections for one in found] == [0] * 10
    assert math.isnan(calibration.expected_error(found))
