"""Amounts cut off and added."""

import pytest

from mrcnn.config.inference import Sides
from mrcnn.errors import UserError
from mrcnn.predict import bounds


@pytest.mark.parametrize(
    ("amount", "length", "expected"),
    [("20px", 7, 20), ("-3px", 7, -3), ("10%", 99, 9), ("-10%", 99, -9), ("0%", 5, 0), ("150%", 10, 15)],
)
def test_amounts_in_pixels(amount, length, expected):
    assert bounds.to_pixels(amount, length) == expected


def test_a_region_is_what_is_left():
    sides = Sides(left="10%", top="3px", right="25%", bottom="0px")
    assert bounds.cut((50, 80), sides) == (3, 8, 50, 60)
    assert bounds.cut((50, 80), Sides()) == (0, 0, 50, 80)


def test_nothing_left_of_the_image():
    with pytest.raises(UserError, match=r"`mode.bounds` leaves nothing of an image of 50 x 80 .*left 60%.*right 40%"):
        bounds.cut((50, 80), Sides(left="60%", right="40%"))


def test_padding_is_of_the_box_and_clipped():
    # the box is 10 high and 20 wide
    box = (40, 5, 50, 25)
    assert bounds.pad(box, Sides(left="2px", top="50%", right="10%"), size=(100, 100), name="x") == (35, 3, 50, 27)
    assert bounds.pad(box, Sides(left="9px", top="900%", right="900%", bottom="900%"), size=(60, 70), name="x") == (
        0, 0, 60, 70,
    )  # fmt: skip
    assert bounds.pad(box, Sides(left="-4px", bottom="-10%"), size=(60, 70), name="x") == (40, 9, 49, 25)


def test_shrunk_to_nothing_names_the_object():
    with pytest.raises(UserError, match=r"`mode.padding` leaves nothing of the 10 x 20 .* of object 3 \(cat\)"):
        bounds.pad((40, 5, 50, 25), Sides(top="-5px", bottom="-5px"), size=(60, 70), name="object 3 (cat)")
