import math

import pytest

from mrcnn.evaluate.analysis import per_class
from tests.evaluate.analysis.test_curves import ranked


def test_rows():
    given = ranked([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6], objects=[0, 3, 0], class_ids=[1, 1, 1, 2])
    cat, dog = per_class.rows(given, ("bg", "cat", "dog"), threshold=0.65)
    assert cat[:5] == ("cat", 3, 2, 1, 1)
    assert (cat.precision, cat.recall, cat.f1) == (pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(4 / 6))
    # recalls up to 1/3 at precision 1 (0.00 to 0.33), up to 2/3 at 2/3 (0.34 to 0.66), 0 beyond
    assert cat.ap50 == pytest.approx((34 + 33 * 2 / 3) / 101)
    # F1 is 4/6 up to 0.70, then 2/5 and 2/4: the middle of 0.00 to 0.70
    assert cat.best_threshold == 0.35
    assert dog[:5] == ("dog", 0, 0, 0, 0)
    assert all(map(math.isnan, (dog.precision, dog.recall, dog.f1, dog.ap50)))
    assert dog.best_threshold is None


def test_rows_of_nothing():
    (row,) = per_class.rows(ranked([], [], objects=[0, 2]), ("bg", "cat"), threshold=0.5)
    assert row[:5] == ("cat", 2, 0, 0, 2)
    assert (row.recall, row.f1, row.ap50) == (0, 0, 0)
    assert per_class.rows(ranked([], [], objects=[0]), ("bg",), threshold=0.5) == []
