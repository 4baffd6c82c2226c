import numpy as np
import pytest
from keras import ops

from mrcnn.ops import boxes
from tests.traced import both


def test_corners_xy_of_boxes_and_of_none():
    first, second = boxes.corners_xy(ops.convert_to_tensor(np.float32([[[1, 2, 3, 4]], [[5, 6, 7, 8]]])))
    np.testing.assert_array_equal(ops.convert_to_numpy(first), [[[2, 1]], [[6, 5]]])
    np.testing.assert_array_equal(ops.convert_to_numpy(second), [[[4, 3]], [[8, 7]]])
    assert [tuple(corner.shape) for corner in boxes.corners_xy(ops.zeros((0, 4)))] == [(0, 2)] * 2


def test_area_of_a_box_and_of_degenerate_ones():
    given = [[1.0, 2.0, 4.0, 8.0], [5.0, 5.0, 5.0, 9.0], [4.0, 0.0, 1.0, 2.0], [4.0, 4.0, 1.0, 1.0]]
    np.testing.assert_array_equal(both(boxes.area, np.float32(given)), [3 * 6, 0, 0, 0])


def test_area_reads_integers_and_gives_float32():
    result = both(boxes.area, np.int32([[0, 0, 3, 3]]))
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [9])


def test_iou_of_worked_pairs():
    first = np.float32([[0, 0, 10, 10], [0, 0, 10, 5]])
    second = np.float32([[5, 5, 15, 15], [0, 0, 10, 10], [20, 20, 30, 30]])
    expected = [[25 / (100 + 100 - 25), 1, 0], [0, 50 / 100, 0]]
    np.testing.assert_allclose(both(boxes.iou, first, second), expected, rtol=1e-6)


def test_intersection_of_worked_pairs():
    first = np.float32([[0, 0, 10, 10]])
    second = np.float32([[5, 7, 15, 15], [10, 0, 20, 10]])  # the second only touches
    np.testing.assert_array_equal(both(boxes.intersection, first, second), [[5 * 3, 0]])


def test_iou_leading_axes_broadcast():
    first = np.float32([[[0, 0, 2, 2]]])  # [1, 1, 4] against [2, 1, 4]
    second = np.float32([[[0, 0, 2, 2]], [[0, 0, 2, 1]]])
    np.testing.assert_array_equal(both(boxes.iou, first, second), [[[1]], [[0.5]]])


def test_iou_degenerate_boxes_overlap_nothing_and_give_no_nan():
    zeros = np.zeros((1, 4), np.float32)
    flipped = np.float32([[5, 5, 1, 1]])
    for degenerate in (zeros, flipped):
        np.testing.assert_array_equal(both(boxes.iou, degenerate, degenerate), [[0]])
        np.testing.assert_array_equal(both(boxes.iou, degenerate, np.float32([[0, 0, 9, 9]])), [[0]])
        np.testing.assert_array_equal(both(boxes.overlap_of_first, degenerate, np.float32([[0, 0, 9, 9]])), [[0]])


def test_iou_no_boxes_give_an_empty_matrix():
    empty, one = np.zeros((0, 4), np.float32), np.float32([[0, 0, 1, 1]])
    assert both(boxes.iou, empty, one).shape == (0, 1)
    assert both(boxes.iou, one, empty).shape == (1, 0)


def test_overlap_of_first_divides_by_the_box_only():
    crowd = np.float32([[0, 0, 100, 100]])
    given = np.float32([[10, 10, 20, 20], [95, 0, 105, 10]])  # inside; half inside
    np.testing.assert_allclose(both(boxes.overlap_of_first, given, crowd), [[1], [0.5]], rtol=1e-6)


def test_iou_a_large_matrix_is_computed_in_parts_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 80, (2, 13, 2))
    given = np.concatenate([corner, corner + rng.uniform(1, 40, (2, 13, 2))], -1).astype(np.float32)
    whole = both(boxes.iou, given, given[:, :5])
    monkeypatch.setattr(boxes, "_CHUNK", 10)  # two rows at a time, the last part one row
    np.testing.assert_array_equal(both(boxes.iou, given, given[:, :5], unknown_batch=True), whole)


def test_clip_moves_edges_into_each_image_window():
    given = np.float32([[[-5, 2, 50, 60], [70, 70, 80, 80]], [[-5, 2, 50, 60], [0, 0, 5, 5]]])
    windows = np.float32([[[0, 10, 40, 50]], [[8, 0, 64, 64]]])
    expected = [[[0, 10, 40, 50], [40, 50, 40, 50]], [[8, 2, 50, 60], [8, 0, 8, 5]]]
    np.testing.assert_array_equal(both(boxes.clip, given, windows, unknown_batch=True), expected)


def test_clip_to_one_window():
    given = np.float32([[-1, -1, 3, 3]])
    np.testing.assert_array_equal(both(boxes.clip, given, np.float32([0, 0, 2, 2])), [[0, 0, 2, 2]])


def test_area_a_box_needs_four_numbers():
    with pytest.raises(ValueError, match=r"4 numbers on the last axis, got shape \(1, 5\)"):
        boxes.area(np.zeros((1, 5)))
