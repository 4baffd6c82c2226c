"""The six types of TIDE by hand: an object of class 1 and a detection, with the paper's IoUs 0.5 and 0.1."""

import pytest

from mrcnn.evaluate.analysis import error_types, matching
from mrcnn.evaluate.analysis.error_types import (
    BACKGROUND,
    BOTH,
    CLASSIFICATION,
    DUPLICATE,
    LOCALIZATION,
    MISSED,
    TYPES,
)
from tests.evaluate.analysis.made import image


def find(given):
    return error_types.find(given, matching.match(given))


def gains(*images, num_classes=3):
    matches = [matching.match(one) for one in images]
    found = error_types.gains(images, matches, num_classes=num_classes)
    assert [one.name for one in found] == list(TYPES.values())
    return {one.name: (one.number, pytest.approx(one.gain)) for one in found if one.number or one.gain}


@pytest.mark.parametrize(
    ("class_id", "iou", "expected"),
    [
        (1, 0.5, 0),  # right
        (1, 0.49, LOCALIZATION),
        (1, 0.1, LOCALIZATION),
        (1, 0.09, BACKGROUND),
        (2, 0.5, CLASSIFICATION),
        (2, 0.49, BOTH),
        (2, 0.11, BOTH),
        (2, 0.1, BACKGROUND),
        (2, 0.0, BACKGROUND),
    ],
)
def test_find_the_type_of_one_detection(class_id, iou, expected):
    found = find(image([1], [(class_id, 0.9)], ious=[[iou]]))
    assert found.types.tolist() == [expected]
    # what is repaired by a type of its own does not count as missed as well
    assert found.missed.tolist() == [expected in (BACKGROUND, BOTH)]


def test_find_duplicates():
    found = find(image([1], [(1, 0.9), (1, 0.8)], ious=[[0.6], [0.9]]))
    assert (found.types.tolist(), found.missed.tolist()) == ([0, DUPLICATE], [False])


def test_find_prefers_localization_to_classification():
    found = find(image([1, 2], [(1, 0.9)], ious=[[0.3, 0.9]]))
    assert (found.types.tolist(), found.targets.tolist()) == ([LOCALIZATION], [0])
    assert found.missed.tolist() == [False, True]


def test_find_without_objects_or_detections():
    assert find(image([], [(1, 0.9)])).types.tolist() == [BACKGROUND]
    assert find(image([1], [])).missed.tolist() == [True]
    assert find(image()).types.tolist() == []


def test_find_leaves_regions_to_ignore_out():
    found = find(image([1], [(1, 0.9), (2, 0.8)], ious=[[0.9], [0.9]], ignore=[True]))
    assert found.types.tolist() == [0, BACKGROUND]  # a crowd of cats is no object that a dog could be
    assert found.missed.tolist() == [False]


def test_gains_of_classification():
    # without repair class 1 has AP 0 and class 2 no object; repaired, the detection is right
    assert gains(image([1], [(2, 0.9)], ious=[[0.8]])) == {"classification": (1, 1.0)}


def test_gains_of_localization():
    # the better of two misplaced detections becomes right, the other is removed
    given = image([1], [(1, 0.9), (1, 0.8)], ious=[[0.4], [0.3]])
    assert gains(given) == {"localization": (2, 1.0)}
    # as before, beside an object that stays missed: one of two is found, and not twice; missed alone gains nothing,
    # since then the one object that is left is not found
    given = image([1, 1], [(1, 0.9), (1, 0.8)], ious=[[0.4, 0], [0.3, 0]])
    assert gains(given) == {"localization": (2, 51 / 101), "missed": (1, 0.0)}


def test_gains_of_removed_detections():
    # a wrong detection comes first, so AP is 1/2, without it 1
    right = image([1], [(1, 0.5)], ious=[[1.0]])
    assert gains(right, image([], [(1, 0.9)])) == {"background": (1, 0.5)}
    both = image([1, 2], [(1, 0.9), (1, 0.5), (2, 0.4)], ious=[[0, 0.3], [1, 0], [0, 1.0]])
    # class 1 alone has an error: (1 + 1) / 2 after, (1/2 + 1) / 2 before
    assert gains(both) == {"both": (1, 0.25)}
    twice = image([1, 1], [(1, 0.9), (1, 0.8), (1, 0.7)], ious=[[0.6, 0], [0.9, 0], [0, 0.9]])
    # precision 1 at recalls up to 1/2, then 2/3: AP (51 + 50 * 2/3) / 101; without the duplicate 1
    assert gains(twice) == {"duplicate": (1, 1 - (51 + 50 * 2 / 3) / 101)}


def test_gains_of_missed_objects():
    # one of two found: AP 51/101; with one object it is 1
    assert gains(image([1, 1], [(1, 0.9)], ious=[[1, 0]])) == {"missed": (1, 1 - 51 / 101)}
    assert gains(image([1], [])) == {"missed": (1, 1.0)}  # nothing is left to find
    # class 2 is not counted any more: the mean goes from (1 + 0) / 2 to 1
    assert gains(image([1, 2], [(1, 0.9)], ious=[[1, 0]])) == {"missed": (1, 0.5)}


def test_gains_of_a_class_whose_object_was_found_already():
    given = image([1], [(1, 0.9), (2, 0.8)], ious=[[1.0], [0.9]])
    assert gains(given) == {"classification": (1, 0.0)}  # removed; no class 2, so AP is 1 before and after
    # one of two objects is found, and the second detection is at the same one: it is removed, and finds no object
    given = image([1, 1], [(1, 0.9), (2, 0.8)], ious=[[1.0, 0], [0.9, 0]])
    assert gains(given) == {"classification": (1, 0.0), "missed": (1, 1 - 51 / 101)}


def test_gains_of_nothing():
    assert gains() == gains(image()) == {}
    assert gains(image([], [(1, 0.9)])) == {"background": (1, 0.0)}


def test_missed_is_no_type_of_a_detection():
    assert MISSED not in find(image([1], [(1, 0.9)], ious=[[0.05]])).types
