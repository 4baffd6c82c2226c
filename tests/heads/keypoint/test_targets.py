import numpy as np
import pytest

from mrcnn.heads.keypoint.targets import keypoint_targets
from tests.heads.keypoint.reference import CASES
from tests.traced import both

ROI = np.array([[2, 10, 6, 20]], "float32")  # 4 high, 10 wide


def cell_of(*points, size=5):
    points = np.array([points], "float32")
    found = both(lambda points, rois: tuple(keypoint_targets(points, rois, size=size)), points, ROI)
    return found[0][0].tolist(), found[1][0].tolist()


@pytest.mark.parametrize("size", [56, 8])
def test_keypoint_targets_are_detectron2s(size):
    case = CASES["encode"]
    rois = np.array(case["rois"], "float32")[:, [1, 0, 3, 2]]
    cells, weights = both(
        lambda points, rois: tuple(keypoint_targets(points, rois, size=size)),
        np.array(case["keypoints"], "float32"), rois, unknown_batch=True,
    )  # fmt: skip
    assert cells.tolist() == case["expected"][str(size)]["labels"]
    assert weights.tolist() == case["expected"][str(size)]["valid"]


def test_keypoint_targets_are_row_major_cells_of_the_region():
    # x 15 is half of 10 pixels: column 2 of 5; y 5 is three quarters of 4 pixels: row 3
    assert cell_of([15, 5, 2]) == ([3 * 5 + 2], [1.0])


def test_keypoint_targets_keep_points_on_each_side_and_drop_those_outside():
    on_sides = cell_of([10, 2, 2], [20, 6, 2], [20, 2, 1], [10, 6, 2])
    assert on_sides == ([0, 24, 4, 20], [1, 1, 1, 1])
    outside = cell_of([9.9, 3, 2], [20.1, 3, 2], [12, 1.9, 2], [12, 6.1, 2], [12, 3, 0])
    assert outside == ([0] * 5, [0] * 5)


def test_keypoint_targets_of_a_region_without_area_or_of_none():
    points = np.array([[[3, 3, 2]]], "float32")
    for box in ([3, 3, 3, 3], [0, 3, 6, 3]):
        assert not np.asarray(keypoint_targets(points, np.array([box], "float32"), size=5).weights).any()
    empty = keypoint_targets(np.zeros((0, 3, 3), "float32"), np.zeros((0, 4), "float32"), size=5)
    assert empty.cells.shape == empty.weights.shape == (0, 3)
