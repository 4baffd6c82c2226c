import numpy as np
import pytest

from mrcnn.fields import extras
from mrcnn.project.annotation import Label
from mrcnn.project.geometry import Bitmap
from tests.fields import toy


@pytest.fixture(autouse=True)
def fields(monkeypatch):
    toy.register(monkeypatch)


def label(**extra):
    return Label("cat", Bitmap((0, 0), np.ones((2, 2), bool)), extra=extra)


def test_take_selects_rows_of_all_fields():
    got = extras.take(toy.extras((1, 2, 3, 4), (5, 6, 7, 8)), [1])
    assert got["point"].tolist() == [[5, 6]]
    assert got["offset"].tolist() == [[7, 8]]


def test_concatenate_keeps_the_order_and_nothing_stays_nothing():
    got = extras.concatenate([toy.extras((1, 2, 3, 4)), toy.extras((5, 6, 7, 8), (9, 9, 9, 9))])
    assert got["point"].tolist() == [[1, 2], [5, 6], [9, 9]]
    assert extras.concatenate([]) == {}
    assert extras.concatenate([{}, {}]) == {}


@pytest.mark.parametrize("parts", [[toy.extras((1, 2, 3, 4)), {}], [{}, toy.extras((1, 2, 3, 4))]])
def test_concatenate_ignores_a_part_without_fields(parts):
    assert extras.concatenate(parts)["point"].tolist() == [[1, 2]]


def test_transformed_scales_vectors_and_scales_and_shifts_points():
    got = extras.transformed(toy.extras((10, 20, 1, -2)), scale=(2, 0.5), shift=(3, 4))
    assert got["point"].tolist() == [[23, 14]]  # 10 * 2 + 3, 20 * .5 + 4
    assert got["offset"].tolist() == [[2, -1]]
    assert {values.dtype for values in got.values()} == {np.dtype(np.float32)}


def test_in_graph_equals_transformed():
    tf = pytest.importorskip("tensorflow")
    values = toy.extras((10, 20, 1, -2), (0, 0, 0, 0))
    graph = tf.function(
        lambda point, offset, scale: extras.in_graph(
            {"point": point, "offset": offset}, scale=scale, shift=tf.constant([3.0, 4.0])
        )
    )
    got = graph(**values, scale=tf.constant([2.0, 0.5]))
    expected = extras.transformed(values, scale=(2, 0.5), shift=(3, 4))
    for name in values:
        np.testing.assert_array_equal(got[name].numpy(), expected[name])


def test_augmented_warps_points_only():
    got = extras.augmented(toy.extras((10, 20, 1, -2)), lambda points: points[:, ::-1])
    assert got["point"].tolist() == [[20, 10]]
    assert got["offset"].tolist() == [[1, -2]]


def test_merged_has_one_row():
    got = extras.merged(toy.extras((1, 2, 3, 4), (3, 6, 9, 9)), np.array([0.9, 0.8]))
    assert got["point"].tolist() == [[2, 4]]  # the toy field's mean
    assert got["offset"].tolist() == [[3, 4]]  # the best


def test_of_labels_reads_a_row_per_label():
    got = extras.of_labels([label(point=[1, 2]), label()], ["point", "offset"])
    assert got["point"].tolist() == [[1, 2], [0, 0]]
    assert got["offset"].shape == (2, 2)
    assert extras.of_labels([], ["point"])["point"].shape == (0, 2)
    assert extras.of_labels([label()], []) == {}


def test_onto_label_and_jsonable_use_the_row():
    values = toy.extras((1, 2, 3, 4), (5, 6, 7, 8))
    assert extras.onto_label(label(), values, 1).extra == {"point": [5, 6], "offset": [7, 8]}
    assert extras.jsonable(values, 0) == {"point": [1, 2], "offset": [3, 4]}
    assert extras.onto_label(label(author="me"), {}, 0).extra == {"author": "me"}


def test_differing_finds_the_objects_beyond_a_tolerance():
    values = toy.extras((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
    others = toy.extras((0, 0, 0, 0.05), (0, 0.2, 0, 0), (0, 0, -0.3, 0))
    assert extras.differing(values, others, count=3).tolist() == [False, True, True]
    assert extras.differing({}, {}, count=2).tolist() == [False, False]
    assert extras.differing(toy.extras(), toy.extras(), count=0).tolist() == []


def test_differing_finds_nan():
    values = toy.extras((0, 0, 0, np.nan), (0, 0, 0, 0))
    assert extras.differing(values, values, count=2).tolist() == [True, False]
