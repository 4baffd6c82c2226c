"""Pieces of objects that windows cut."""

import numpy as np
import pytest

from mrcnn.predict import compact, merge, moves
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


CAT = [6, 22, 16, 26]  # in the strip of LEFT and RIGHT, and 4 pixels from the nearest border of either


@pytest.mark.parametrize("scores", [[0.8, 0.9], [0.9, 0.8]])
def test_of_two_that_saw_it_whole_the_better_stays_as_it_is(scores):
    # shifted by a row they agree by 9 of 11
    seen = [CAT, [7, 22, 17, 26]]
    windows = [(0, 0, 20, 30), (0, 18, 20, 50)]
    joined = join(seen, ["cat"] * 2, scores, windows)
    np.testing.assert_array_equal(joined.boxes, [seen[int(np.argmax(scores))]])
    assert joined.masks[0].area == 40


def test_what_a_border_cut_off_is_dropped_where_another_window_saw_the_object_whole():
    # the second window begins in the middle of the object: it sees 5 of its 10 columns, a row too low, and is surer
    joined = join([[5, 10, 15, 20], [6, 15, 16, 20]], ["cat"] * 2, [0.8, 0.9], [LEFT, (0, 15, 20, 45)])
    np.testing.assert_array_equal(joined.boxes, [[5, 10, 15, 20]])
    np.testing.assert_allclose(joined.scores, [0.8])


def test_a_piece_that_lies_in_a_whole_one_by_less_than_half_is_joined():
    # what seems whole in LEFT goes on in the other window: columns 16..25 against 18..37, 8 of 20 are shared; in the
    # strip, columns 16..29, the masks are 16..25 and 18..29, IoU 8 / 14
    joined = join([[5, 16, 15, 26], [5, 18, 15, 38]], ["cat"] * 2, [0.8, 0.9], [LEFT, (0, 16, 20, 46)])
    np.testing.assert_array_equal(joined.boxes, [[5, 16, 15, 38]])


def test_the_borders_of_the_image_cut_nothing():
    # LEFT begins with the image: rows 0..19 and column 0 on are whole there; the other window cuts column 2
    joined = join([[0, 0, 20, 6], [0, 2, 20, 7]], ["cat"] * 2, [0.8, 0.9], [LEFT, (0, 2, 20, 32)])
    np.testing.assert_array_equal(joined.boxes, [[0, 0, 20, 6]])


def test_a_dropped_one_still_drops_others():
    # two windows see the object whole, a third cuts it; the third agrees with the weaker of the two alone
    whole, weaker, piece = [2, 20, 12, 30], [6, 20, 16, 30], [10, 25, 20, 30]
    windows = [(0, 0, 20, 60), (0, 10, 20, 70), (0, 25, 20, 75)]
    joined = join([whole, weaker, piece], ["cat"] * 3, [0.9, 0.8, 0.7], windows, iou_threshold=0.3)
    np.testing.assert_array_equal(joined.boxes, [whole])


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
            moves.moved(
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
