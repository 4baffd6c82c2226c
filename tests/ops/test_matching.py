import json
from pathlib import Path

import numpy as np
import pytest

from mrcnn.ops import matching
from tests.traced import both

# facebookresearch/detectron2 tests/modeling/test_matcher.py and cases computed with it; matrices are object x anchor
CASES = {
    case["name"]: case for case in json.loads((Path(__file__).parent / "cases" / "matcher.json").read_text())["cases"]
}


def match(iou, valid, positive_iou=0.7, negative_iou=0.3):
    return both(
        lambda i, v: matching.match_anchors(i, v, positive_iou=positive_iou, negative_iou=negative_iou),
        np.float32(iou),
        np.asarray(valid, bool),
        unknown_batch=True,
    )


def match_rois(iou, valid, positive_iou=0.5):
    return both(
        lambda i, v: matching.match_rois(i, v, positive_iou=positive_iou),
        np.float32(iou),
        np.asarray(valid, bool),
        unknown_batch=True,
    )


@pytest.mark.parametrize("name", ["rpn_low_quality", "ties_low_quality_all_equal_maxima_become_fg"])
def test_match_anchors_matches_reference(name):
    case = CASES[name]
    iou = np.float32(case["matrix_gt_x_pred"]).T[None]
    state, matched_idx = match(iou, np.ones((1, iou.shape[2])))
    np.testing.assert_array_equal(state, [case["expected_labels"]])
    np.testing.assert_array_equal(matched_idx, [case["expected_matches"]])


def test_match_rois_matches_reference():
    case = CASES["roi"]
    iou = np.float32(case["matrix_gt_x_pred"]).T[None]
    positive, matched_idx = match_rois(iou, np.ones((1, iou.shape[2])))
    np.testing.assert_array_equal(positive, np.array([case["expected_labels"]]) == 1)
    np.testing.assert_array_equal(matched_idx, [case["expected_matches"]])


@pytest.mark.parametrize("slots", [0, 3])
def test_match_anchors_and_match_rois_without_objects_all_is_background(slots):
    iou = np.full((2, 4, slots), 0.9)
    state, matched_idx = match(iou, np.zeros((2, slots)))
    np.testing.assert_array_equal(state, CASES["no_gt"]["expected_labels"] * np.ones((2, 1)))
    np.testing.assert_array_equal(matched_idx, np.zeros((2, 4)))
    positive, matched_idx = match_rois(iou, np.zeros((2, slots)))
    assert not positive.any()
    assert not matched_idx.any()


def test_match_anchors_and_match_rois_unused_slots_match_nothing():
    iou = [[[0.9, 0.4], [0.9, 0.1], [0.9, 0.2]]]  # slot 0 is unused, whatever lies in it
    state, matched_idx = match(iou, [[False, True]])
    np.testing.assert_array_equal(state, [[1, 0, 0]])  # .4 is the best of slot 1
    np.testing.assert_array_equal(matched_idx, [[1, 1, 1]])
    positive, matched_idx = match_rois(iou, [[False, True]], positive_iou=0.4)
    np.testing.assert_array_equal(positive, [[True, False, False]])
    np.testing.assert_array_equal(matched_idx, [[1, 1, 1]])


def test_match_anchors_an_object_that_no_anchor_touches_claims_none():
    state, _ = match([[[0.0, 0.8], [0.0, 0.0], [0.0, 0.5]]], [[True, True]])
    np.testing.assert_array_equal(state, [[1, 0, -1]])


def test_match_anchors_and_match_rois_limits_belong_to_the_upper_state():
    state, _ = match([[[0.7], [0.3], [0.29], [0.9]]], [[True]])
    np.testing.assert_array_equal(state, [[1, -1, 0, 1]])
    positive, _ = match_rois([[[0.5], [0.49]]], [[True]])
    np.testing.assert_array_equal(positive, [[True, False]])


def test_match_anchors_images_are_independent():
    one, other = [[0.8], [0.1]], [[0.1], [0.2]]
    state, _ = match([one, other], [[True], [True]])
    np.testing.assert_array_equal(state, [[1, 0], [0, 1]])
