import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.box.targets import RoiTargetGenerator
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


def test_roi_target_generator_objects_first_then_background_then_empty_slots():
    got = RoiTargetGenerator(samples=4, positive_fraction=0.5)(_proposals(BOXES), _batch())
    # the third lies in the ignore region, the fourth is an empty slot
    np.testing.assert_array_equal(got.class_ids[0], [3, 0, 0, 0])
    np.testing.assert_array_equal(got.valid[0], [True, True, False, False])
    np.testing.assert_array_equal(np.asarray(got.rois[0])[:2], [[0, 0, 10, 9], [20, 20, 30, 30]])
    # dx is half a pixel of width 9, dw is log(10 / 9); both divided by their standard deviation
    np.testing.assert_allclose(got.deltas[0, 0], [0, 0.5 / 9 / 0.1, 0, np.log(10 / 9) / 0.2], atol=1e-5)
    assert not np.asarray(got.deltas)[0, 1:].any()


def test_roi_target_generator_without_objects_the_sample_is_background():
    got = RoiTargetGenerator(samples=3)(_proposals(BOXES), _batch((False, False), (False, False)))
    assert not np.asarray(got.class_ids).any()
    assert np.asarray(got.valid).all()


def test_roi_target_generator_ground_truth_boxes_can_join():
    got = RoiTargetGenerator(samples=4, positive_fraction=0.5, add_gt_boxes=True)(_proposals(BOXES), _batch())
    positives = np.asarray(got.rois[0])[np.asarray(got.class_ids[0]) > 0]
    assert sorted(map(tuple, positives)) == [(0, 0, 10, 9), (0, 0, 10, 10)]


def test_roi_target_generator_background_in_proportion_to_objects():
    boxes = [[0, 0, 10, 9], *([20 + step, 70, 30 + step, 80] for step in range(10))]
    layer = RoiTargetGenerator(samples=12, positive_fraction=0.33, negatives="two_per_object", count_unused=True)
    got = layer(_proposals(boxes), _batch())
    # one object and int(1 / 0.33) - 1 = 2 of background; the rest are empty boxes that count as background
    np.testing.assert_array_equal(got.class_ids[0], [3] + [0] * 11)
    assert np.asarray(got.rois)[0, :3].any(axis=1).all()
    assert not np.asarray(got.rois)[0, 3:].any()
    assert np.asarray(got.valid).all()
    nothing = RoiTargetGenerator(samples=4, negatives="two_per_object", count_unused=True)(
        _proposals(boxes), _batch((False, False), (False, False))
    )
    assert not np.asarray(nothing.valid).any()


def test_roi_target_generator_deltas_pass_the_gradient_of_proposals_only_when_asked():
    boxes = tf.Variable([BOXES], dtype="float32")
    batch = {name: tf.constant(value) for name, value in _batch().items()}
    gradients = []
    for detach in (True, False):
        with tf.GradientTape() as tape:
            proposals = Proposals(tf.identity(boxes), tf.ones((1, 4)), tf.constant([[True, True, True, False]]))
            layer = RoiTargetGenerator(samples=4, positive_fraction=0.5, detach=detach)
            total = tf.reduce_sum(layer(proposals, batch).deltas)
        gradients.append(tape.gradient(total, boxes))
    assert gradients[0] is None
    # d dy / d y1: the centre moves half as much and the height shrinks: dy = (5 - (y1 + y2) / 2) / (y2 - y1) / 0.1
    assert float(gradients[1][0, 1, 0]) == pytest.approx(-0.5 / 10 / 0.1 + 1 / 10 / 0.2)
    assert not np.asarray(gradients[1])[0, [0, 2, 3]].any()


def test_roi_target_generator_a_small_region_inside_a_crowd_is_background_by_iou_alone():
    # 2 x 2 inside 20 x 20 is all inside; its IoU of 4 / 400 = 0.01 is above 0.001, 0.5 x 0.5 gives 0.000625
    boxes = [[45, 45, 45.5, 45.5]]
    kept = RoiTargetGenerator(samples=2, ignore_share=None)(_proposals(boxes), _batch())
    left_out = RoiTargetGenerator(samples=2)(_proposals(boxes), _batch())
    assert (np.asarray(kept.valid).sum(), np.asarray(left_out.valid).sum()) == (1, 0)
