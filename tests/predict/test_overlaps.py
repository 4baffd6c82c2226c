"""Pairs of boxes, IoU of masks, and what stays of overlapping detections."""

import itertools

import numpy as np
import pytest

from mrcnn.predict import overlaps
from mrcnn.structures import CroppedMask

from . import helpers

RNG = np.random.default_rng(7)


def make_mask(y1, x1, y2, x2):
    return CroppedMask.from_pixels(np.ones((y2 - y1, x2 - x1), bool), (y1, x1))


@pytest.mark.parametrize("reach", [0, 1, 4])
def test_pairs_are_those_found_one_by_one(reach):
    corners = RNG.integers(0, 60, (80, 2))
    boxes = np.concatenate([corners, corners + RNG.integers(1, 15, (80, 2))], axis=1)
    ids = RNG.integers(1, 3, 80)
    expected = [
        (i, j)
        for i, j in itertools.combinations(range(80), 2)
        if ids[i] == ids[j]
        and all(
            boxes[i, a] < boxes[j, a + 2] + reach and boxes[j, a] < boxes[i, a + 2] + reach for a in (0, 1)
        )
    ]  # fmt: skip
    assert len(expected) > 20
    assert list(map(tuple, overlaps.pairs(boxes, ids, reach=reach))) == expected


def test_boxes_that_touch_share_no_pixel():
    boxes, ids = np.array([[0, 0, 5, 5], [5, 0, 9, 5]]), np.array([1, 1])
    assert len(overlaps.pairs(boxes, ids)) == 0
    assert overlaps.pairs(boxes, ids, reach=1).tolist() == [[0, 1]]


def test_no_pairs():
    assert overlaps.pairs(np.zeros((0, 4), int), np.zeros(0, int)).shape == (0, 2)


def test_mask_iou_of_masks():
    assert overlaps.mask_iou(make_mask(0, 0, 4, 4), make_mask(2, 0, 6, 4)) == 8 / 24
    assert overlaps.mask_iou(make_mask(0, 0, 4, 4), make_mask(4, 0, 6, 4)) == 0
    # two triangles of one box that share no pixel
    lower = np.tri(5, dtype=bool)
    assert overlaps.mask_iou(CroppedMask.from_pixels(lower), CroppedMask.from_pixels(~lower)) == 0


def test_mask_iou_of_random_masks():
    first, second = RNG.random((2, 20, 30)) > 0.6
    first[:, 25:], second[:, :10], second[:3] = False, False, False
    expected = (first & second).sum() / (first | second).sum()
    assert overlaps.mask_iou(CroppedMask.from_pixels(first), CroppedMask.from_pixels(second)) == expected


@pytest.mark.parametrize(
    ("iou_threshold", "kept"),
    # IoU of rows 0-10 and 5-15: 5 / 15; of 5-15 and 10-20 the same; 0-10 and 10-20 share nothing
    [(0.0, [0.9]), (0.33, [0.9]), (0.34, [0.9, 0.8, 0.7])],
)
def test_the_weaker_goes_and_still_takes_others_along(iou_threshold, kept):
    found = helpers.make_compact(
        [[5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 10, 10]], ["cat"] * 3, [0.8, 0.7, 0.9], size=(20, 10)
    )
    np.testing.assert_allclose(overlaps.suppress(found, iou_threshold=iou_threshold).scores, kept)


def test_other_classes_do_not_matter():
    found = helpers.make_compact([[0, 0, 9, 9]] * 2, ["cat", "dog"], [0.8, 0.9], size=(20, 10))
    assert overlaps.suppress(found, iou_threshold=0.0).class_names == ("dog", "cat")


def test_masks_count_not_boxes():
    dense = helpers.make_detections([[0, 0, 9, 9]] * 2, ["cat"] * 2, [0.8, 0.9], size=(9, 9))
    dense.masks[0] = np.tri(9, k=-1)
    dense.masks[1] = ~dense.masks[0]
    assert len(overlaps.suppress(overlaps.compact.from_dense(dense), iou_threshold=0.0).masks) == 2


def test_of_equal_scores_the_first_stays():
    found = helpers.make_compact([[0, 0, 9, 9], [0, 0, 9, 8]], ["cat"] * 2, [0.5, 0.5], size=(20, 10))
    assert overlaps.suppress(found, iou_threshold=0.5).masks[0].shape == (9, 9)


def test_nothing_to_suppress():
    assert overlaps.suppress(helpers.make_compact([], [], [], size=(4, 4)), iou_threshold=0.5).masks == ()
