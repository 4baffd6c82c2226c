import numpy as np
import pytest

from mrcnn.report import statistics
from mrcnn.report.statistics import Fit
from tests.report import facts
from tests.report.facts import picture, thing

PETS = facts.data(
    picture("a", thing(), thing("dog", (0, 0, 40, 10)), thing("cat", ignored=True)),
    picture("b", thing(), thing(), split="val"),
    picture("c", split="neither"),
)
NONE = facts.data()


def test_class_counts_by_split_without_what_is_ignored():
    cat, dog = statistics.class_counts(PETS)
    assert (cat.title, dict(cat.objects), dict(cat.images)) == ("cat", {"train": 1, "val": 2}, {"train": 1, "val": 1})
    assert (dog.title, dict(dog.objects), dict(dog.images)) == ("dog", {"train": 1}, {"train": 1})
    assert [row.objects.total() for row in statistics.class_counts(NONE)] == [0, 0]


def test_used_splits_in_their_order():
    assert statistics.used_splits(PETS) == ("train", "val", "neither")
    assert statistics.used_splits(NONE) == ()


def test_imbalance_leaves_classes_without_objects_out():
    assert statistics.imbalance(statistics.class_counts(PETS)) == 3  # 3 cats, 1 dog
    only_cats = facts.data(picture("a", thing(), thing()))
    assert statistics.imbalance(statistics.class_counts(only_cats)) == 1
    assert statistics.imbalance([]) == 1


def test_objects_per_image():
    assert statistics.objects_per_image(PETS) == [2, 2, 0]


def test_aspect_ratios_are_width_by_height():
    assert statistics.aspect_ratios(PETS).tolist() == [2, 0.25, 2, 2]  # 20 / 10 and 10 / 40
    assert statistics.aspect_ratios(NONE).shape == (0,)


def test_sides_in_the_image_and_in_the_model_input():
    assert statistics.sides(PETS).tolist() == [[10, 20], [40, 10], [10, 20], [10, 20]]
    half = Fit(50, 100)  # 100 x 200 pixels become 50 x 100
    assert statistics.sides(PETS, half).tolist() == [[5, 10], [20, 5], [5, 10], [5, 10]]
    assert statistics.mean_sides(statistics.sides(PETS, half)).tolist() == pytest.approx(
        [50**0.5, 10, 50**0.5, 50**0.5]
    )
    assert statistics.sides(NONE, half).shape == (0, 2)


def test_fit_scale_enlarges_small_images_and_shrinks_long_ones():
    assert Fit(200, 400).scale((100, 200)) == (2, 2)
    assert Fit(10, 50).scale((100, 200)) == (0.25, 0.25)


def test_quantiles_are_interpolated():
    assert statistics.quantiles([0, 10, 20, 30, 40]) == pytest.approx((2, 10, 20, 30, 38))  # 5 % of 40 is 2
    assert statistics.quantiles([]) == (0, 0, 0, 0, 0)


def test_small_objects_by_class():
    tiny = facts.data(
        picture("a", thing(), thing("cat", (0, 0, 2, 50)), thing("cat", (0, 0, 1, 1)), size_hw=(100, 200))
    )
    (row,) = statistics.small_objects(tiny, Fit(40, 80))  # 0.4 of the size: shorter sides of 4, 0.8 and 0.4 pixels
    assert (row.title, row.total, row.vanished, row.cell) == ("cat", 3, 1, 2)
    assert row.median == pytest.approx(0.8)
    assert statistics.small_objects(NONE, Fit(40, 80)) == []


def test_edges_of_enclose_all_values_by_powers_of_two():
    edges = statistics.edges_of(np.array([3.0, 16.0]))  # log2 is 1.58 and 4, so from 1.5 to 4.25 in steps of 0.25
    assert (edges[0], edges[-1], len(edges)) == (2**1.5, 2**4.25, 12)
    assert statistics.edges_of(np.array([8.0])) == [8, 2**3.25]
    assert len(statistics.edges_of(np.array([1e-3, 1e6]))) <= 25  # 30 doublings, so steps of 2
    assert statistics.edges_of(np.zeros(0)) == []


def test_histogram_counts_each_value_once():
    values = np.array([3.0, 3.0, 16.0])
    assert sum(statistics.histogram(values, statistics.edges_of(values))) == 3
    assert statistics.histogram(np.array([1.0, 2.0, 4.0]), [1, 2, 4]) == [1, 2]  # the last bin holds its upper edge
    assert statistics.histogram(np.zeros(0), []) == []
