import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.fields import extras
from mrcnn.fields.mask_points import MaskPoints
from mrcnn.fields.table import FIELDS
from mrcnn.heads.mask.point_targets import FIELD
from mrcnn.project.annotation import Label, Tag
from mrcnn.project.geometry import Bitmap, Point, Rectangle

COCO = {"point_coords": [[10.0, 20.0], [12.0, 18.0]], "point_labels": [1, 0]}
VALUE = [[10.5, 20.5, 1], [12.5, 18.5, 0]]  # centres of the pixels
NONE = [0, 0, -1]
BOX = Label("cat", Rectangle(np.array([[8, 9], [20, 30]])), extra=COCO)


def point(x, y, *tags):
    return Label("cat", Point([[x, y]]), tuple(map(Tag, tags)))


def test_the_head_and_the_table_have_the_same_name():
    assert FIELDS["mask_points"].name == FIELD


def test_from_coco_and_to_coco():
    value = MaskPoints().from_coco(COCO)
    assert value.tolist() == VALUE
    assert value.dtype == np.float32
    assert MaskPoints().to_coco(value) == COCO
    assert MaskPoints().to_coco(np.float32([*VALUE, NONE])) == COCO  # padding is not written
    assert MaskPoints().to_coco(np.float32([NONE])) == {"point_coords": [], "point_labels": []}


@pytest.mark.parametrize("annotation", [{}, {"point_coords": [], "point_labels": []}, {"point_coords": None}])
def test_from_coco_of_an_object_without_points(annotation):
    assert MaskPoints().from_coco(annotation) is None


@pytest.mark.parametrize(
    ("coords", "labels"),
    [
        ([[1, 2]], None),
        (None, [1]),
        ([[1, 2]], [1, 0]),
        ([[1, 2, 3]], [1]),
        ([1, 2], [1, 0]),
        ([[1, 2], [3]], [1, 0]),
        ("ab", "cd"),
        ([[1, None]], [1]),
        ([[1, float("inf")]], [1]),
        ([[1, 2]], 1),
        ([[1, 2]], [[1]]),
        ([[1, 2]], ["x"]),
    ],
)
def test_from_coco_refuses_malformed_points(coords, labels):
    with pytest.raises(UserError, match=r"^`point_coords` must be \[x, y\] of each of `point_labels`, got "):
        MaskPoints().from_coco({"point_coords": coords, "point_labels": labels})


@pytest.mark.parametrize("label", [2, -1, 0.5, float("nan")])
def test_from_coco_refuses_other_labels(label):
    with pytest.raises(UserError, match=r"^`point_labels` must be 1 for the object or 0 for background, got "):
        MaskPoints().from_coco({"point_coords": [[1, 2]], "point_labels": [label]})


def test_from_figures_pads_objects_with_fewer_points_and_uses_the_first_of_more():
    for count, expected in ((1, VALUE[:1]), (2, VALUE), (4, [*VALUE, NONE, NONE])):
        field = MaskPoints().of_model(count)
        assert field.shape == (count, 3)
        assert field.from_figures([BOX]).tolist() == expected
        assert field.from_figures([Label("cat", BOX.geometry)]).tolist() == [NONE] * count
    assert MaskPoints().from_figures([BOX]).tolist() == VALUE
    assert MaskPoints().of_model(None).from_figures([]).shape == (0, 3)


def test_from_figures_reads_figures_of_points_and_their_tag():
    figures = [point(1, 2), BOX, point(3, 4, "background", "other"), point(5.25, 6)]
    expected = [*VALUE, [1.5, 2.5, 1], [3.5, 4.5, 0], [5.75, 6.5, 1]]
    assert MaskPoints(6).from_figures(figures).tolist() == [*expected, NONE]


def test_of_objects_has_a_row_for_each_object():
    found = extras.of_objects([[BOX], [Label("cat", Bitmap((0, 0), np.ones((2, 2), bool)))]], {"p": MaskPoints(2)})["p"]
    assert found.tolist() == [VALUE, [NONE, NONE]]
    assert extras.of_objects([], {"p": MaskPoints(2)})["p"].shape == (0, 2, 3)


def test_figures_have_the_points_as_keys_of_the_object():
    (label,) = extras.figures(Label("cat", BOX.geometry, extra={"id": 3}), {"mask_points": np.float32(VALUE)})
    assert label.extra == {"id": 3, **COCO}
    assert MaskPoints(2).from_figures([label]).tolist() == VALUE


def test_settled_is_the_largest_number_of_points():
    objects = [[BOX], [BOX, point(1, 2)], [Label("cat", BOX.geometry)]]
    found, (remark,) = MaskPoints().settled(None, [], objects=iter(objects))
    assert found == 3
    assert remark == "`model.mask_points` 3: 2 of 3 objects have labelled points"


def test_settled_says_how_many_objects_have_more_points_than_are_used():
    objects = [[BOX], [BOX, point(1, 2)], [point(1, 2)]]
    found, (remark,) = MaskPoints().settled(1, [], objects=objects)
    assert found == 1
    assert remark == (
        "`model.mask_points` 1: 3 of 3 objects have labelled points; of 2 objects with more, up to 3, the first 1 are "
        "used"
    )


@pytest.mark.parametrize("settings", [None, 10])
def test_settled_refuses_data_without_points(settings):
    malformed = Label("cat", BOX.geometry, extra={"point_coords": [[1, 2]]})
    for objects in ([], [[Label("cat", BOX.geometry)]], [[malformed]]):
        with pytest.raises(UserError, match=r"^no object of the data has labelled points.*mrcnn convert points"):
            MaskPoints().settled(settings, [], objects=objects)


def test_mirrored_and_resized_points_keep_their_order_and_labels():
    # an image 40 wide, mirrored: x -> 40 - x
    moved = extras.transformed(
        {"mask_points": np.float32([VALUE])}, scale=(1, -1), shift=(0, 40), fields={"mask_points": MaskPoints(2)}
    )
    assert moved["mask_points"].tolist() == [[[29.5, 20.5, 1], [27.5, 18.5, 0]]]


def test_draw_shows_points_by_their_label_and_no_padding():
    picture = np.zeros((40, 40, 3), np.uint8)
    values = np.float32([[[10.5, 20.5, 1], [30.5, 8.5, 0], [0, 0, -1]]])
    drawn = MaskPoints().draw(picture, values, np.zeros((1, 4)))
    assert drawn[20, 10].tolist() == [0, 190, 60]  # green: of the object; x 10, y 20 is the pixel of 10.5, 20.5
    assert drawn[8, 30].tolist() == [220, 30, 30]  # red: background
    assert drawn[20, 13].min() > 100  # the ring around it is white, blended at its edge
    assert not drawn[:5, :5].any()
    assert not picture.any()
