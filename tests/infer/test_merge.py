"""Pieces of objects that windows cut."""

import numpy as np
import pytest

from mrcnn.infer import compact, merge
from mrcnn.structures import CroppedMask, Detections

from . import helpers

LEFT, RIGHT = (0, 0, 20, 30), (0, 20, 20, 50)  # share columns 20..29
SIDE = (0, 30, 20, 50)  # touches LEFT


def rectangle(y1, x1, y2, x2):
    return CroppedMask.from_pixels(np.ones((y2 - y1, x2 - x1), bool), (y1, x1))


@pytest.mark.parametrize(
    ("first", "second", "windows", "expected"),
    [
        # one object over both: the same 10 columns of the strip
        ((5, 10, 15, 30), (5, 20, 15, 45), (LEFT, RIGHT), 1.0),
        # rows 5..14 and 10..19 of the strip: 5 of 15
        ((5, 10, 15, 30), (10, 20, 20, 45), (LEFT, RIGHT), 5 / 15),
        # whole on the left, the part on the right agrees
        ((5, 15, 15, 26), (5, 20, 15, 26), (LEFT, RIGHT), 1.0),
        # the left one ends outside the strip
        ((5, 10, 15, 18), (5, 20, 15, 45), (LEFT, RIGHT), 0.0),
        # windows that touch: rows along the line
        ((5, 10, 15, 30), (5, 30, 15, 45), (LEFT, SIDE), 1.0),
        ((5, 10, 15, 30), (10, 30, 20, 45), (LEFT, SIDE), 5 / 15),
        # masks that end 3 pixels before the line, and 4
        ((5, 10, 15, 27), (5, 33, 15, 45), (LEFT, SIDE), 1.0),
        ((5, 10, 15, 26), (5, 30, 15, 45), (LEFT, SIDE), 0.0),
        ((5, 10, 15, 26), (5, 34, 15, 45), (LEFT, SIDE), 0.0),
        # a level line
        ((5, 10, 20, 15), (20, 10, 30, 17), (LEFT, (20, 0, 40, 30)), 5 / 7),
        # a common corner only; windows apart
        ((15, 25, 20, 30), (20, 30, 25, 35), (LEFT, (20, 30, 40, 60)), 0.0),
        ((5, 10, 15, 30), (5, 31, 15, 45), (LEFT, (0, 31, 20, 51)), 0.0),
    ],
)
def test_agreement_by_hand(first, second, windows, expected):
    masks = rectangle(*first), rectangle(*second)
    assert merge.agreement(masks, windows) == pytest.approx(expected)
    assert merge.agreement(masks[::-1], windows[::-1]) == pytest.approx(expected)


def join(boxes, names, scores, windows, *, size=(20, 80), iou_threshold=0.5):
    found = helpers.make_compact(boxes, names, scores, size=size)
    return merge.join_pieces(found, np.array(windows).reshape(-1, 4), iou_threshold=iou_threshold)


def test_a_joined_object_covers_its_pieces_and_has_the_best_score():
    joined = join([[5, 10, 15, 30], [5, 20, 15, 45]], ["cat"] * 2, [0.8, 0.9], [LEFT, RIGHT])
    np.testing.assert_array_equal(joined.boxes, [[5, 10, 15, 45]])
    np.testing.assert_allclose(joined.scores, [0.9])
    assert joined.masks[0].box == (5, 10, 15, 45)
    assert joined.masks[0].area == 10 * 35


def test_a_chain_of_pieces_is_one_object():
    third = (0, 40, 20, 70)
    joined = join(
        [[5, 10, 15, 30], [5, 40, 15, 60], [5, 20, 15, 50]], ["cat"] * 3, [0.8, 0.7, 0.9], [LEFT, third, RIGHT]
    )
    assert [mask.box for mask in joined.masks] == [(5, 10, 15, 60)]


def test_other_classes_windows_and_objects_stay_apart():
    boxes = [[5, 10, 15, 30], [5, 20, 15, 45], [5, 10, 15, 30], [16, 20, 19, 45]]
    joined = join(boxes, ["cat", "dog", "cat", "cat"], [0.9, 0.8, 0.7, 0.6], [LEFT, RIGHT, LEFT, RIGHT])
    np.testing.assert_allclose(joined.scores, [0.9, 0.8, 0.7, 0.6])


def test_the_threshold_is_reached_not_passed():
    # rows 5..14 and 5..9 of the strip agree by one half
    boxes, names, scores, windows = [[5, 10, 15, 30], [5, 20, 10, 45]], ["cat"] * 2, [0.9, 0.8], [LEFT, RIGHT]
    assert len(join(boxes, names, scores, windows, iou_threshold=0.5).masks) == 1
    assert len(join(boxes, names, scores, windows, iou_threshold=0.51).masks) == 2


def test_no_pieces():
    assert join([], [], [], []).masks == ()


def test_a_bent_object_keeps_its_shape():
    rng = np.random.default_rng(3)
    canvas = rng.random((20, 50)) > 0.3
    pieces = [(canvas[:, 0:30], LEFT), (canvas[:, 20:50], RIGHT)]
    found = compact.concatenate(
        [
            compact.moved(
                compact.from_dense(
                    Detections(np.float32([[0, 0, 20, 30]]), np.int32([1]), ("cat",), np.float32([0.9]), part[None])
                ),
                window[:2],
                size=(20, 50),
            )
            for part, window in pieces
        ],
        size=(20, 50),
    )
    joined = merge.join_pieces(found, np.array([LEFT, RIGHT]), iou_threshold=1.0)
    np.testing.assert_array_equal(compact.to_dense(joined).masks, canvas[None])
