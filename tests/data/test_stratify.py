"""Validation images drawn with each class's share."""

from collections import Counter

import pytest

from mrcnn.data import stratify


def test_draw_takes_the_share_of_each_class():
    classes = [["cat"]] * 40 + [["dog"]] * 10 + [["ape"]] * 5 + [[]] * 20
    val = stratify.draw(classes, fraction=0.2, seed=3)
    found = Counter(classes[index][0] if classes[index] else "" for index in val)
    assert found == {"cat": 8, "dog": 2, "ape": 1, "": 4}  # a fifth of each


def test_draw_keeps_a_rare_class_on_both_sides():
    classes = [["cat"]] * 30 + [["cat", "ape"]] * 2
    val = stratify.draw(classes, fraction=0.1, seed=0)
    assert len(val & {30, 31}) == 1  # at least one on each side
    assert len(val) == 3  # round(3.2), the image with the ape among them


def test_draw_depends_on_the_seed_alone():
    classes = [["cat"]] * 50
    draws = [stratify.draw(classes, fraction=0.2, seed=seed) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_draw_from_few_images(count, expected):
    assert len(stratify.draw([["cat"]] * count, fraction=0.01, seed=0)) == expected


def test_draw_of_classes_on_one_image_each_leaves_both_sides():
    assert len(stratify.draw([["a"], ["b"], ["c"]], fraction=0.2, seed=0)) == 1
    assert len(stratify.draw([["a"], ["b"]], fraction=0.99, seed=0)) == 1
