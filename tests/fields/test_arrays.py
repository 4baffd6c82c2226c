import pytest

from mrcnn.fields import arrays
from tests.fields import toy


def test_take_selects_rows_of_all_fields():
    got = arrays.take(toy.extras((1, 2, 3, 4), (5, 6, 7, 8)), [1])
    assert got["point"].tolist() == [[5, 6]]
    assert got["offset"].tolist() == [[7, 8]]


def test_concatenate_keeps_the_order_and_nothing_stays_nothing():
    got = arrays.concatenate([toy.extras((1, 2, 3, 4)), toy.extras((5, 6, 7, 8), (9, 9, 9, 9))])
    assert got["point"].tolist() == [[1, 2], [5, 6], [9, 9]]
    assert arrays.concatenate([]) == {}
    assert arrays.concatenate([{}, {}]) == {}


@pytest.mark.parametrize("parts", [[toy.extras((1, 2, 3, 4)), {}], [{}, toy.extras((1, 2, 3, 4))]])
def test_concatenate_ignores_a_part_without_fields(parts):
    assert arrays.concatenate(parts)["point"].tolist() == [[1, 2]]
