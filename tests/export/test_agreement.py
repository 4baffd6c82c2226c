"""The agreement of a model with reduced weights with the live one, on boxes that can be checked by hand."""

import numpy as np
import pytest

from mrcnn.export import agreement
from mrcnn.export.agreement import Agreement, Limits
from tests.export import helpers

SIZE = (40, 40)
LIMITS = Limits(matched=0.9, mask_iou=0.85, score=0.05)


def found(boxes, class_ids, scores):
    return helpers.make_detections(boxes, class_ids, scores, size=SIZE)


def agree(live, other, *, threshold=0.5, most=100):
    given = {"name": "a.png", "score_threshold": threshold, "most": most, "limits": LIMITS}
    return agreement.agree(live, helpers.outputs(other), **given)


def test_agree_compares_pairs():
    live = found([[0, 0, 10, 10], [20, 20, 30, 30]], [1, 2], [0.9, 0.8])
    other = found([[20, 20, 30, 28], [0, 0, 10, 10]], [2, 1], [0.7, 0.85])
    item = agree(live, other)
    assert (item.image, item.matched, item.unmatched, item.borderline) == ("a.png", 2, 0, 0)
    assert item.box_iou == pytest.approx(1 + 80 / 100)
    assert item.mask_iou == pytest.approx(1 + 80 / 100)
    assert item.score == pytest.approx(0.05 + 0.1)


def test_agree_pairs_one_to_one_and_within_a_class():
    live = found([[0, 0, 10, 10], [0, 0, 10, 10], [20, 20, 30, 30]], [1, 1, 1], [0.9, 0.8, 0.7])
    other = found([[0, 0, 10, 10], [20, 20, 30, 30]], [1, 2], [0.9, 0.7])
    item = agree(live, other)
    # the second live box has no free partner, the third's partner is of another class, which so has none either
    assert (item.matched, item.unmatched, item.borderline) == (1, 3, 0)


def test_agree_needs_half_an_overlap():
    live = found([[0, 0, 10, 10]], [1], [0.9])
    assert agree(live, found([[0, 0, 10, 6]], [1], [0.9])).matched == 1  # IoU 0.6
    assert agree(live, found([[0, 0, 10, 4]], [1], [0.9])).matched == 0  # IoU 0.4


def test_agree_does_not_count_scores_at_the_threshold():
    live = found([[0, 0, 10, 10], [20, 20, 30, 30]], [1, 1], [0.9, 0.54])  # 0.54 <= 0.5 + 0.05
    item = agree(live, found([], [], []))
    assert (item.matched, item.unmatched, item.borderline) == (0, 1, 1)


def test_agree_does_not_count_scores_at_the_end_of_full_lists():
    live = found([[0, 0, 10, 10], [20, 20, 30, 30]], [1, 1], [0.9, 0.83])
    other = found([[0, 0, 10, 10], [0, 20, 10, 30]], [1, 1], [0.9, 0.8])
    # both lists end at 0.8, and 0.83 <= 0.8 + 0.05: each may have the other's last object as its next one
    assert (agree(live, other, most=2).unmatched, agree(live, other, most=2).borderline) == (0, 2)
    assert (agree(live, other, most=3).unmatched, agree(live, other, most=3).borderline) == (2, 0)
    one = found([[0, 0, 10, 10]], [1], [0.9])
    assert agree(live, one, most=2).unmatched == 1  # the other list is not full


def test_agree_of_nothing():
    item = agree(found([], [], []), found([], [], []))
    assert (item.matched, item.unmatched, item.borderline, item.mask_iou) == (0, 0, 0, 0.0)
    result = Agreement("int8", LIMITS, (item,))
    assert (result.matched_share, result.mean("mask_iou"), result.failures) == (1.0, 0.0, [])
    assert Agreement("int8", LIMITS, ()).failures == []


def make(matched, unmatched, mask_iou):
    return Agreement(
        "int8", LIMITS, (agreement.ImageAgreement("a", matched, unmatched, 0, matched, mask_iou * matched, 0.0),)
    )


def test_failures_name_what_is_below_the_limits():
    assert make(9, 2, 0.9).failures == []  # 18 / 20 = 0.9
    assert make(9, 3, 0.9).failures == [
        "85.7% of the detections are found by both models, less than 90%"  # 18 / 21
    ]
    assert make(9, 0, 0.8).failures == ["their masks have a mean IoU of 0.800, less than 0.85"]
    assert len(make(1, 9, 0.1).failures) == 2


def test_to_json_has_the_means():
    result = make(9, 3, 0.9).to_json()
    assert result["matched_share"] == pytest.approx(18 / 21)
    assert (result["weights"], result["passed"], result["matched"], result["unmatched"]) == ("int8", False, 9, 3)
    assert result["mean_mask_iou"] == pytest.approx(0.9)
    assert result["limits"] == {"matched": 0.9, "mask_iou": 0.85, "score": 0.05}


def test_box_ious_of_boxes_without_area_are_0():
    ious = agreement.box_ious(np.float32([[0, 0, 0, 0], [0, 0, 2, 2]]), np.float32([[0, 0, 0, 0], [1, 0, 3, 2]]))
    np.testing.assert_allclose(ious, [[0, 0], [0, 2 / 6]], rtol=1e-6)
    assert agreement.box_ious(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
