import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.fields.field import Field
from mrcnn.project.annotation import Label
from mrcnn.project.geometry import Bitmap

LABEL = Label("cat", Bitmap((0, 0), np.ones((2, 2), bool)), extra={"author": "me"})


class Weight(Field):
    """A plain field with the base class's ways."""

    name = "weight"
    shape = (2,)


def test_to_label_adds_a_rounded_key_and_from_label_reads_it():
    field = Weight()
    written = field.to_label(LABEL, np.array([1 / 3, 2], np.float32))
    assert written.extra == {"author": "me", "weight": [0.3333, 2.0]}
    assert field.from_label(written).tolist() == [np.float32(0.3333), 2]


def test_from_label_reads_zeros_where_the_value_is_missing():
    assert Weight().from_label(LABEL).tolist() == [0, 0]


@pytest.mark.parametrize("value", [[1, 2, 3], 5, [], "a", None, {"x": 1}, [1, [2]], [1, None], [float("nan"), 1]])
def test_from_label_refuses_what_is_no_value(value):
    label = Label("cat", LABEL.geometry, extra={"weight": value})
    with pytest.raises(
        UserError, match=r"`weight` of an object of class 'cat' must be finite numbers of shape \[2\], got"
    ):
        Weight().from_label(label)


@pytest.mark.parametrize("value", [[1, 2, 3], "a", [float("inf"), 1]])
def test_from_coco_refuses_what_is_no_value(value):
    with pytest.raises(UserError, match=r"^`weight` must be finite numbers of shape \[2\], got"):
        Weight().from_coco({"weight": value})


def test_to_coco_and_from_coco_are_inverse():
    assert Weight().to_coco(np.array([1 / 3, 2])) == {"weight": [0.3333, 2.0]}
    assert Weight().from_coco({"weight": [0.25, 2]}).tolist() == [0.25, 2]
    assert Weight().from_coco({"id": 1}) is None


def test_from_figures_reads_the_first_figure_that_has_a_value():
    first, second = (Label("cat", LABEL.geometry, extra={"weight": [value, 0]}) for value in (1, 2))
    assert Weight().from_figures([LABEL, first, second]).tolist() == [1, 0]
    assert Weight().from_figures([LABEL]).tolist() == [0, 0]
    assert Weight().figure(np.zeros(2)) is None


def test_field_is_left_alone_by_transformed_augmented_mirrored_and_draw():
    field, values = Weight(), np.ones((3, 2), np.float32)
    assert field.transformed(values, scale=np.array([2, 2]), shift=np.array([1, 1])) is values
    assert field.augmented(values, lambda points: points + 1) is values
    assert field.mirrored(values) is values
    picture = np.zeros((4, 4, 3), np.uint8)
    assert field.draw(picture, values, np.zeros((3, 4))) is picture


def test_merged_takes_the_best_piece():
    assert Weight().merged(np.array([[1, 2], [3, 4]]), np.array([0.9, 0.8])).tolist() == [1, 2]


def test_averaged_is_the_mean_of_the_views_in_float32():
    values = np.array([[[1, 2]], [[3, 5]], [[8, 2]]], np.float32)  # three views of one object
    got = Field().averaged(values)
    assert got.tolist() == [[4, 3]]  # 12 / 3, 9 / 3
    assert got.dtype == np.float32
    one = np.float32([[[0.1, 1e7 + 1]]])
    np.testing.assert_array_equal(Field().averaged(one), one[0])
    assert Field().averaged(np.zeros((2, 0, 3), np.float32)).shape == (0, 3)
