import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.box import loss as box
from mrcnn.structures import RoiTargets


def _targets(class_ids, valid):
    ids = np.array([class_ids], "int32")
    zeros = np.zeros((*ids.shape, 4), "float32")
    return RoiTargets(zeros, ids, zeros, np.zeros_like(ids), np.array([valid]))


def test_mrcnn_class_loss_skips_empty_slots():
    logits = np.array([[[0.0, 0.0, 0.0], [0.0, np.log(2.0), 0.0], [50.0, 0.0, 0.0]]], "float32")
    loss = box.mrcnn_class_loss(logits, _targets([0, 1, 2], [True, True, False]))
    assert float(loss) == pytest.approx((np.log(3) + np.log(4 / 2)) / 2, rel=1e-6)


@pytest.mark.parametrize(("class_id", "expected"), [(0, 0.0), (1, 2000.0)])
def test_mrcnn_class_loss_of_huge_logits_is_finite(class_id, expected):
    logits = np.array([[[1000.0, -1000.0]]], "float32")
    assert float(box.mrcnn_class_loss(logits, _targets([class_id], [True]))) == expected


def test_mrcnn_class_loss_has_the_gradient_of_the_softmax():
    logits = tf.Variable([[[0.0, 0.0, 0.0], [0.0, np.log(2.0), 0.0]]])
    with tf.GradientTape() as tape:
        loss = box.mrcnn_class_loss(logits, _targets([0, 1], [True, True]))
    # probabilities less 1 for the true class, each region by 1/2
    expected = np.array([[1 / 3 - 1, 1 / 3, 1 / 3], [1 / 4, 1 / 2 - 1, 1 / 4]]) / 2
    np.testing.assert_allclose(tape.gradient(loss, logits)[0], expected, rtol=1e-6)


def test_mrcnn_class_loss_counts_classes_that_no_object_of_the_image_has():
    # two images; the first has no object, the second one of class 1. Regions of background that look like class 1 or 2
    logits = np.zeros((2, 2, 3), "float32")
    logits[:, 0, 2] = logits[:, 1, 1] = np.log(8.0)
    ids = np.array([[0, 0], [0, 1]], "int32")
    zeros = np.zeros((2, 2, 4), "float32")
    targets = RoiTargets(zeros, ids, zeros, np.zeros_like(ids), np.ones((2, 2), bool))
    # of scores 1, 1 and 8 of 10 the true one is 1 for three regions and 8 for the last
    expected = (3 * -np.log(1 / 10) - np.log(8 / 10)) / 4
    assert float(box.mrcnn_class_loss(logits, targets)) == pytest.approx(expected, rel=1e-6)


def test_mrcnn_bbox_loss_takes_the_deltas_of_the_true_class():
    deltas = np.zeros((1, 2, 3, 4), "float32")
    deltas[0, 0] = [[9] * 4, [9] * 4, [0.5, 0, 0, 2.0]]  # region 0 is of class 2
    deltas[0, 1] = 9  # background
    loss = box.mrcnn_bbox_loss(deltas, _targets([2, 0], [True, True]))
    assert float(loss) == pytest.approx((0.5 * 0.25 + 1.5) / 4)


def test_mrcnn_class_loss_and_mrcnn_bbox_loss_losses_without_objects_are_finite():
    targets = _targets([0, 0], [False, False])
    assert float(box.mrcnn_class_loss(np.ones((1, 2, 3), "float32"), targets)) == 0.0
    assert float(box.mrcnn_bbox_loss(np.ones((1, 2, 3, 4), "float32"), targets)) == 0.0


def test_mrcnn_bbox_loss_of_samples_divides_the_sum_by_all_valid_regions():
    deltas = np.zeros((1, 4, 3, 4), "float32")
    deltas[0, 0] = [[9] * 4, [9] * 4, [0.5, 0, 0, 2.0]]  # region 0 is of class 2
    deltas[0, 1:] = 9  # background, and an unused slot
    loss = box.mrcnn_bbox_loss(deltas, _targets([2, 0, 0, 0], [True, True, True, False]), average="samples")
    assert float(loss) == pytest.approx((0.5 - 1 / 18 + 2 - 1 / 18) / 3)


SIGMOID_LOGITS = np.array([[[9.0, 0.0, np.log(3.0)], [-9.0, 0.0, 0.0], [5.0, 50.0, 50.0]]], "float32")


def test_sigmoid_class_loss_adds_up_the_classes_and_averages_the_regions():
    targets = _targets([2, 0, 1], [True, True, False])
    # region 0 of class 2: scores 1/2 and 3/4, so log 2 + log 4/3; region 1 of background: 1/2 and 1/2, so 2 log 2
    expected = (np.log(2) + np.log(4 / 3) + 2 * np.log(2)) / 2
    assert float(box.sigmoid_class_loss(SIGMOID_LOGITS, targets)) == pytest.approx(expected, rel=1e-6)
    # class 2 alone: log 4/3 and log 2
    chosen = np.float32([0, 0, 1])
    expected = (np.log(4 / 3) + np.log(2)) / 2
    found = box.sigmoid_class_loss(SIGMOID_LOGITS, targets, classes=chosen)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert float(box.sigmoid_class_loss(SIGMOID_LOGITS, targets, classes=np.zeros(3, "float32"))) == 0.0


def test_sigmoid_class_loss_has_no_gradient_for_classes_that_do_not_count():
    logits = tf.Variable(SIGMOID_LOGITS)
    targets = _targets([2, 0, 1], [True, True, False])
    for classes, counted in ((None, [0, 1, 1]), (np.float32([0, 0, 1]), [0, 0, 1])):
        with tf.GradientTape() as tape:
            loss = box.sigmoid_class_loss(logits, targets, classes=classes)
        # scores less 1 for the true class, each region by 1/2; none for the background's logit and the empty slot
        expected = np.array([[0, 1 / 2, 3 / 4 - 1], [0, 1 / 2, 1 / 2], [0, 0, 0]]) / 2 * counted
        np.testing.assert_allclose(tape.gradient(loss, logits)[0], expected, atol=1e-7)


def test_sigmoid_class_loss_without_regions_and_of_huge_logits_is_finite():
    assert float(box.sigmoid_class_loss(np.ones((1, 2, 3), "float32"), _targets([0, 0], [False, False]))) == 0.0
    huge = np.array([[[0.0, -1000.0, 1000.0]]], "float32")
    assert float(box.sigmoid_class_loss(huge, _targets([1], [True]))) == 2000.0
    assert float(box.sigmoid_class_loss(huge, _targets([2], [True]))) == 0.0
