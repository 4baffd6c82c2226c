"""What several models find in one image, side by side."""

import numpy as np
import pytest

from benchmarks import side_by_side
from mrcnn.errors import UserError


def test_cropped_counts_in_pixels_of_the_image():
    picture = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)  # an image of 4 x 6, twice as large
    found = side_by_side.cropped(picture, (4, 6, 3), crop=(1, 2, 3, 6))
    np.testing.assert_array_equal(found, picture[2:6, 4:12])
    np.testing.assert_array_equal(side_by_side.cropped(picture, (4, 6), crop=None), picture)


@pytest.mark.parametrize("crop", [(1, 2, 1, 6), (0, 0, 5, 6), (-1, 0, 4, 6), (0, 3, 4, 2)])
def test_cropped_refuses_what_is_not_in_the_image(crop):
    with pytest.raises(UserError, match="--crop must be Y1 X1 Y2 X2 inside 4 x 6 pixels"):
        side_by_side.cropped(np.zeros((8, 12, 3), np.uint8), (4, 6), crop=crop)


def test_panels_stand_in_a_row_below_their_titles():
    black = np.zeros((50, 100, 3), np.uint8)
    one, empty = side_by_side.panel(black, "a title"), side_by_side.panel(black, "")
    assert one.shape == (side_by_side.CAPTION + 210, 420, 3)  # 50 * 420 / 100
    assert one[: side_by_side.CAPTION].min() < 128 <= empty[: side_by_side.CAPTION].min()
    assert one[side_by_side.CAPTION :].max() == 0
    found = side_by_side.row([one, empty, one])
    assert found.shape == (one.shape[0], 3 * 420 + 2 * side_by_side.GAP, 3)
    assert found[:, 420 : 420 + side_by_side.GAP].min() == 255
    assert side_by_side.row([one]).shape == one.shape


def test_models_have_titles(capsys):
    assert side_by_side._parse(["a.png", "FCN=runs/a", "--out", "b.jpg"]).models == [("FCN", "runs/a")]
    with pytest.raises(SystemExit):
        side_by_side._parse(["a.png", "runs/a", "--out", "b.jpg"])
    assert "must be TITLE=MODEL, got runs/a" in capsys.readouterr().err
