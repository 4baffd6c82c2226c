import numpy as np
import pytest

from mrcnn.predict.tta.merge import Boxes, merge


def boxes(*rows):
    """Makes the boxes of a view, each row (y1, x1, y2, x2, class, score)."""
    values = np.array(rows, np.float64).reshape(-1, 6)
    return Boxes(values[:, :4], values[:, 4].astype(np.int32), values[:, 5].astype(np.float32))


def scores(found):
    return [round(float(score), 3) for score in found.scores]


FIRST = boxes((0, 0, 10, 10, 1, 0.9), (20, 20, 30, 30, 2, 0.3))
# IoU with the first box: 8 columns of 12, so 80 / 120 = 0.667; 4 columns of 10, so 40 / 100 = 0.4
SECOND = boxes((0, 2, 10, 12, 1, 0.8), (0, 0, 10, 4, 1, 0.7), (0, 0, 10, 10, 2, 0.6))


@pytest.mark.parametrize(
    ("iou_threshold", "settings", "expected"),
    [
        (0.7, {}, [0.9, 0.8, 0.7, 0.6, 0.3]),
        (0.5, {}, [0.9, 0.7, 0.6, 0.3]),
        (0.4, {}, [0.9, 0.7, 0.6, 0.3]),  # an IoU at the threshold is no reason
        (0.39, {}, [0.9, 0.6, 0.3]),
        (0.39, {"across_classes": True}, [0.9, 0.3]),
        (0.7, {"most": 2}, [0.9, 0.8]),
        (0.5, {"most": 2}, [0.9, 0.7]),  # the dropped one is not counted
    ],
)
def test_merge_by_hand(iou_threshold, settings, expected):
    got = merge([FIRST, SECOND], iou_threshold=iou_threshold, **{"most": 100, **settings})
    assert scores(got) == expected
    assert got.boxes[0].tolist() == [0, 0, 10, 10]
    assert got.class_ids.dtype == np.int32


def test_merge_keeps_all_boxes_of_one_view():
    same = boxes((0, 0, 10, 10, 1, 0.9), (0, 0, 10, 10, 1, 0.8))
    assert scores(merge([same], iou_threshold=0.0, most=10)) == [0.9, 0.8]
    assert scores(merge([same, same], iou_threshold=0.5, most=10)) == [0.9, 0.8]  # each drops those of the other view


def test_merge_prefers_the_earlier_view_of_equal_scores():
    one, two = boxes((0, 0, 10, 10, 1, 0.5)), boxes((0, 0, 10, 9, 1, 0.5))
    assert merge([one, two], iou_threshold=0.5, most=10).boxes.tolist() == [[0, 0, 10, 10]]
    assert merge([two, one], iou_threshold=0.5, most=10).boxes.tolist() == [[0, 0, 10, 9]]


def test_merge_of_nothing_and_of_boxes_without_area():
    got = merge([boxes(), boxes()], iou_threshold=0.5, most=10)
    assert (got.boxes.shape, got.class_ids.shape, got.scores.shape) == ((0, 4), (0,), (0,))
    flat = boxes((5, 5, 5, 5, 1, 0.9))
    assert scores(merge([flat, flat], iou_threshold=0.5, most=10)) == [0.9, 0.9]  # IoU 0 / 0 counts as 0
    assert scores(merge([boxes(), FIRST], iou_threshold=0.5, most=1)) == [0.9]


def test_merge_equals_nms_of_all_boxes_where_no_view_has_overlapping_ones():
    rng = np.random.default_rng(0)
    grid = np.array([(30 * y, 30 * x) for y in range(4) for x in range(4)], np.float64)
    views = []
    for _ in range(5):
        corner = grid + rng.uniform(0, 8, grid.shape)
        rows = np.concatenate([corner, corner + 20, np.ones((16, 1)), rng.uniform(0.1, 1, (16, 1))], axis=1)
        views.append(boxes(*rows))
    got = merge(views, iou_threshold=0.3, most=100)
    everything = np.concatenate([view.boxes for view in views])
    ranks = np.argsort(-np.concatenate([view.scores for view in views]), kind="stable")
    kept = []
    for index in ranks:  # plain greedy NMS
        y1, x1 = np.maximum(everything[index, :2], everything[kept, :2]).T if kept else np.zeros((2, 0))
        y2, x2 = np.minimum(everything[index, 2:], everything[kept, 2:]).T if kept else np.zeros((2, 0))
        shared = np.maximum(y2 - y1, 0) * np.maximum(x2 - x1, 0)
        if not (shared / (800 - shared) > 0.3).any():
            kept.append(index)
    np.testing.assert_array_equal(got.boxes, everything[kept])
