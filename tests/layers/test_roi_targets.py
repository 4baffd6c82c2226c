import numpy as np
import pytest

from mrcnn.layers.roi_targets import RoiTargetGenerator
from mrcnn.structures import Proposals


def _batch(valid=(True, False), ignore=(False, True)):
    return {
        "gt_boxes": np.array([[[0, 0, 10, 10], [40, 40, 60, 60]]], "float32"),
        "gt_class_ids": np.array([[3, 0]], "int32"),
        "gt_valid": np.array([valid]),
        "gt_ignore": np.array([ignore]),
        "seeds": np.array([5], "int32"),
    }


def _proposals(boxes):
    boxes = np.array([boxes], "float32")
    return Proposals(boxes, np.ones(boxes.shape[:2], "float32"), np.any(boxes, axis=-1))


BOXES = [[20, 20, 30, 30], [0, 0, 10, 9], [45, 45, 55, 55], [0, 0, 0, 0]]


def test_objects_first_then_background_then_empty_slots():
    got = RoiTargetGenerator(samples=4, positive_fraction=0.5)(_proposals(BOXES), _batch())
    # the third lies in the ignore region, the fourth is an empty slot
    np.testing.assert_array_equal(got.class_ids[0], [3, 0, 0, 0])
    np.testing.assert_array_equal(got.valid[0], [True, True, False, False])
    np.testing.assert_array_equal(np.asarray(got.rois[0])[:2], [[0, 0, 10, 9], [20, 20, 30, 30]])
    # dx is half a pixel of width 9, dw is log(10 / 9); both divided by their standard deviation
    np.testing.assert_allclose(got.deltas[0, 0], [0, 0.5 / 9 / 0.1, 0, np.log(10 / 9) / 0.2], atol=1e-5)
    assert not np.asarray(got.deltas)[0, 1:].any()


def test_without_objects_the_sample_is_background():
    got = RoiTargetGenerator(samples=3)(_proposals(BOXES), _batch((False, False), (False, False)))
    assert not np.asarray(got.class_ids).any()
    assert np.asarray(got.valid).all()


def test_ground_truth_boxes_can_join():
    got = RoiTargetGenerator(samples=4, positive_fraction=0.5, add_gt_boxes=True)(_proposals(BOXES), _batch())
    positives = np.asarray(got.rois[0])[np.asarray(got.class_ids[0]) > 0]
    assert sorted(map(tuple, positives)) == [(0, 0, 10, 9), (0, 0, 10, 10)]


@pytest.mark.parametrize(("samples", "fraction", "most"), [(200, 0.33, 66), (64, 0.25, 16)])
def test_most_positives(samples, fraction, most):
    assert RoiTargetGenerator(samples=samples, positive_fraction=fraction).max_positives == most
