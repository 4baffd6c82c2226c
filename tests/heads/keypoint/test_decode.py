import numpy as np
import pytest

from mrcnn.heads.keypoint.decode import decode_keypoints
from tests.heads.keypoint.reference import CASES
from tests.traced import both

CASE = CASES["decode"]
MAPS = np.array(CASE["maps"], "float32").transpose(0, 2, 3, 1)
BOXES = np.array(CASE["rois"], "float32")[:, [1, 0, 3, 2]]
EXPECTED = np.array(CASE["expected_x_y_logit_score"], "float32")
SCORES = {"torchvision": 2, "detectron2": 3}  # column of the score


@pytest.mark.parametrize("limits", [None, (24, 20)])  # 24 x 20 pixels are enough for both boxes
@pytest.mark.parametrize("rule", SCORES)
def test_decode_keypoints_are_those_of_both_rules(rule, limits):
    found = both(
        lambda maps, boxes: decode_keypoints(maps, boxes, rule=rule, limits=limits), MAPS, BOXES, unknown_batch=True
    )
    np.testing.assert_allclose(found[..., :2], EXPECTED[..., :2], atol=1e-4)
    np.testing.assert_allclose(found[..., 2], EXPECTED[..., SCORES[rule]], rtol=1e-4)


def test_decode_keypoints_of_a_box_as_large_as_the_map_are_centres_of_cells():
    maps = np.zeros((1, 8, 8, 1), "float32")
    maps[0, 2, 5, 0] = 3.0
    box = np.array([[10, 20, 18, 28]], "float32")
    (((x, y, score),),) = decode_keypoints(maps, box).numpy()
    assert (x, y) == (25.5, 12.5)
    assert score == pytest.approx(np.exp(3) / (np.exp(3) + 63), rel=1e-5)


def test_decode_keypoints_of_equal_peaks_is_the_first_in_reading_order():
    maps = np.zeros((1, 8, 8, 2), "float32")
    maps[0, 3, 6, 0] = maps[0, 4, 1, 0] = 2.0  # the second map is 0 everywhere
    found = decode_keypoints(maps, np.array([[0, 0, 8, 8]], "float32")).numpy()
    np.testing.assert_array_equal(found[0, :, :2], [[6.5, 3.5], [0.5, 0.5]])


def test_decode_keypoints_of_a_box_without_area():
    maps = np.zeros((1, 8, 8, 2), "float32")
    found = decode_keypoints(maps, np.zeros((1, 4), "float32")).numpy()  # counts as one pixel, as do both sources
    np.testing.assert_allclose(found[0, :, :2], 0.5)


def test_decode_keypoints_refuses_an_unknown_rule():
    with pytest.raises(ValueError, match="must be one of detectron2, torchvision, got 'mean'"):
        decode_keypoints(MAPS, BOXES, rule="mean")
