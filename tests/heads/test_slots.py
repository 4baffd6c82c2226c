import numpy as np
import pytest

from mrcnn.heads import slots
from tests.traced import both

USED = np.array([[True, False, True], [False, True, False]])


@pytest.mark.parametrize(
    ("how", "image", "slot"),
    [
        ({"fixed": False}, [0, 0, 1], [0, 2, 1]),
        ({"fixed": True, "most": 2}, [0, 0, 1, 1], [0, 1, 0, 1]),
        ({"fixed": True}, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]),
        ({"fixed": True, "most": 0}, [0, 1], [0, 0]),
    ],
)
def test_find_lists_the_used_slots_or_a_fixed_number(how, image, slot):
    found = both(lambda used: slots.find(used, **how), USED)
    assert [each.tolist() for each in found] == [image, slot]


def test_with_first_adds_the_batchs_first_slot():
    assert both(slots.with_first, np.zeros((2, 2), bool)).tolist() == [[True, False], [False, False]]
    assert both(slots.with_first, USED[:, 1:]).tolist() == [[True, True], [True, False]]


def test_at_least_one_adds_the_batchs_first_slot_where_none_is_used():
    assert both(slots.at_least_one, np.zeros((2, 2), bool)).tolist() == [[True, False], [False, False]]
    assert both(slots.at_least_one, USED[:, 1:]).tolist() == USED[:, 1:].tolist()


def test_spread_puts_values_into_their_slots_and_zeros_into_the_others():
    values = np.array([[1, 2], [3, 4], [5, 6]], "float32")
    valid = USED & [[False, True, True], [True, True, True]]
    spread = both(lambda values, used, valid: slots.spread(values, used, valid=valid), values, USED, valid)
    assert spread.tolist() == [[[0, 0], [0, 0], [3, 4]], [[0, 0], [5, 6], [0, 0]]]
    assert slots.spread(values[:1, 0], USED[:1, 1:2] | True, valid=np.zeros((1, 1), bool)).numpy().tolist() == [[0]]


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        ([True, False, True, False, False], [0, 2, 2, 2, 0]),  # rows of objects: 0, 2; row 1 has the second of them
        ([False, False, True], [2, 2, 2]),
        ([True, True], [0, 1]),
        ([False, False], [0, 1]),
        ([], []),
    ],
)
def test_repeated_assigns_rows_of_objects_in_turn(real, expected):
    assert both(slots.repeated, np.array(real, bool), unknown_batch=True).tolist() == expected
