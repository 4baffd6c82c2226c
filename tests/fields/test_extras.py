import numpy as np
import pytest

from mrcnn.fields import extras
from mrcnn.fields.table import FIELDS
from mrcnn.project.annotation import INSTANCE_KEY, Label, Tag
from mrcnn.project.geometry import Bitmap
from tests.fields import toy


@pytest.fixture(autouse=True)
def fields(monkeypatch):
    toy.register(monkeypatch)


def label(**extra):
    return Label("cat", Bitmap((0, 0), np.ones((2, 2), bool)), extra=extra)


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
    got = extras.augmented(toy.extras((10, 20, 1, -2)), lambda points: points[:, ::-1], mirrors=False)
    assert got["point"].tolist() == [[20, 10]]
    assert got["offset"].tolist() == [[1, -2]]


def test_merged_has_one_row():
    got = extras.merged(toy.extras((1, 2, 3, 4), (3, 6, 9, 9)), np.array([0.9, 0.8]))
    assert got["point"].tolist() == [[2, 4]]  # the toy field's mean
    assert got["offset"].tolist() == [[3, 4]]  # the best


def test_averaged_combines_each_field_of_all_views():
    got = extras.averaged([toy.extras((1, 2, 3, 4)), toy.extras((3, 6, 9, 8))])
    assert got["point"].tolist() == [[2, 4]]
    assert got["offset"].tolist() == [[6, 6]]
    assert extras.averaged([{}, {}]) == {}


def test_of_objects_reads_a_row_per_object():
    got = extras.of_objects([[label(point=[1, 2])], [label()]], ["point", "offset"])
    assert got["point"].tolist() == [[1, 2], [0, 0]]
    assert got["offset"].shape == (2, 2)
    assert extras.of_objects([], ["point"])["point"].shape == (0, 2)
    assert extras.of_objects([[label()]], []) == {}


def test_of_objects_finds_the_fields_of_any_figure():
    got = extras.of_objects([[label(), label(point=[1, 2]), label(point=[3, 4], offset=[5, 6])]], ["point", "offset"])
    assert (got["point"].tolist(), got["offset"].tolist()) == ([[1, 2]], [[5, 6]])


def test_of_coco_reads_the_known_fields_that_an_annotation_has():
    got = extras.of_coco({"point": [1, 2], "bbox": [0, 0, 1, 1]})
    assert {name: values.tolist() for name, values in got.items()} == {"point": [1, 2]}
    assert extras.of_coco({}) == {}


def test_figures_and_to_coco_have_the_row_of():
    values = toy.extras((1, 2, 3, 4), (5, 6, 7, 8))
    (found,) = extras.figures(label(), extras.row_of(values, 1))
    assert found.extra == {"point": [5, 6], "offset": [7, 8]}
    assert extras.to_coco(extras.row_of(values, 0)) == {"point": [1, 2], "offset": [3, 4]}
    (found,) = extras.figures(label(author="me"), {})
    assert found.extra == {"author": "me"}
    assert extras.to_coco({}) == {}


def test_differing_finds_the_objects_beyond_a_tolerance():
    values = toy.extras((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
    others = toy.extras((0, 0, 0, 0.05), (0, 0.2, 0, 0), (0, 0, -0.3, 0))
    assert extras.differing(values, others, count=3).tolist() == [False, True, True]
    assert extras.differing({}, {}, count=2).tolist() == [False, False]
    assert extras.differing(toy.extras(), toy.extras(), count=0).tolist() == []


def test_differing_finds_nan():
    values = toy.extras((0, 0, 0, np.nan), (0, 0, 0, 0))
    assert extras.differing(values, values, count=2).tolist() == [True, False]


def test_figures_binds_a_figure_of_its_own_to_the_label(monkeypatch):
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    values = extras.row_of(toy.extras((1, 2, 3, 4)), 0)
    tagged = Label("cat", Bitmap((0, 0), np.ones((2, 2), bool)), (Tag("iscrowd"),), {"author": "me"})
    mask, dot = extras.figures(tagged, values)
    assert (dot.class_title, dot.tags, dot.geometry.points.tolist()) == ("cat", tagged.tags, [[2, 1]])
    assert mask.extra == {"author": "me", "offset": [3, 4], INSTANCE_KEY: dot.extra[INSTANCE_KEY]}
    assert list(dot.extra) == [INSTANCE_KEY]
    again, _ = extras.figures(tagged, values)
    assert again.extra[INSTANCE_KEY] != mask.extra[INSTANCE_KEY]
    bound, other = extras.figures(mask, values)
    assert bound.extra[INSTANCE_KEY] == other.extra[INSTANCE_KEY] == mask.extra[INSTANCE_KEY]


def test_own_shapes_are_those_of_the_fields_named_or_of_all(monkeypatch):
    assert extras.own_shapes(["keypoints"]) == {"graph"}
    assert extras.own_shapes(["mask_points"]) == {"point"}
    monkeypatch.setitem(FIELDS, "point", toy.Dot())
    assert extras.own_shapes() == {"graph", "point"}
    assert extras.own_shapes(["offset", "point"]) == extras.own_shapes({"mine": toy.Dot()}) == {"point"}
    assert extras.own_shapes(["offset"]) == extras.own_shapes([]) == set()


@pytest.mark.parametrize(("scale", "swapped"), [((1, -1), True), ((-1, 1), True), ((-1, -1), False), ((2, 3), False)])
def test_transformed_exchanges_left_and_right_of_a_mirrored_image(monkeypatch, scale, swapped):
    monkeypatch.setitem(FIELDS, "offset", toy.Sides())
    got = extras.transformed(toy.extras((0, 0, 1, 2)), scale=scale, shift=(0, 0))
    assert got["offset"].tolist() == [[2, 1] if swapped else [1, 2]]


def test_augmented_exchanges_left_and_right_of_a_mirrored_image(monkeypatch):
    monkeypatch.setitem(FIELDS, "offset", toy.Sides())
    for mirrors, expected in ((True, [[2, 1]]), (False, [[1, 2]])):
        got = extras.augmented(toy.extras((0, 0, 1, 2)), lambda points: points, mirrors=mirrors)
        assert got["offset"].tolist() == expected


def test_to_coco_category_combines_the_keys_of_all_fields(monkeypatch):
    class Named(toy.Point):
        def to_coco_category(self):
            return {"points": ["tip"]}

    toy.register(monkeypatch)
    assert extras.to_coco_category(["point", "offset"]) == {}
    monkeypatch.setitem(FIELDS, "point", Named())
    assert extras.to_coco_category(["point", "offset"]) == {"points": ["tip"]}
