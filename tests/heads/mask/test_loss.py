import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.mask import loss
from mrcnn.structures import MaskTargets


def test_mrcnn_mask_loss_takes_the_true_class_and_skips_fillers():
    logits = np.zeros((2, 1, 2, 2), "float32")  # [P, M, M', C]
    logits[0, 0, :, 1] = [0.0, np.log(3.0)]  # probabilities 1/2 and 3/4
    logits[0, 0, :, 0] = 77.0
    logits[1] = 77.0
    targets = MaskTargets(
        np.array([[[1.0, 0.0]], [[0.0, 0.0]]], "float32"), np.array([1, 0]), np.array([[[1, 1]], [[0, 0]]], "float32")
    )
    assert float(loss.mrcnn_mask_loss(logits, targets)) == pytest.approx((np.log(2) + np.log(4)) / 2, rel=1e-6)


def test_mrcnn_mask_loss_a_cell_of_weight_zero_neither_counts_nor_is_counted():
    logits = np.zeros((1, 1, 2, 2), "float32")
    logits[0, 0, :, 1] = [np.log(3.0), 50.0]
    targets = MaskTargets(np.zeros((1, 1, 2), "float32"), np.array([1]), np.array([[[1, 0]]], "float32"))
    assert float(loss.mrcnn_mask_loss(logits, targets)) == pytest.approx(np.log(4), rel=1e-6)  # not (log 4 + 50) / 2


def test_mrcnn_mask_loss_huge_logits_stay_finite():
    logits = np.full((1, 1, 1, 2), -500.0, "float32")
    targets = MaskTargets(np.ones((1, 1, 1), "float32"), np.array([1]), np.ones((1, 1, 1), "float32"))
    assert float(loss.mrcnn_mask_loss(logits, targets)) == 500.0


def test_mrcnn_mask_loss_has_the_gradient_of_the_sigmoid_at_zero_too():
    logits = tf.constant([[[[0.0, 0.0], [0.0, np.log(3.0)], [0.0, -np.log(3.0)]]]])
    targets = MaskTargets(np.array([[[0.25, 0.0, 1.0]]], "float32"), np.array([1]), np.ones((1, 1, 3), "float32"))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss.mrcnn_mask_loss(logits, targets)
    # probability less target: 1/2 - 1/4, 3/4 - 0, 1/4 - 1; each cell by 1/3
    expected = np.array([0.25, 0.75, -0.75]) / 3
    np.testing.assert_allclose(tape.gradient(value, logits)[0, 0, :, 1], expected, rtol=1e-6)


def test_mrcnn_mask_loss_no_object_region_gives_zero():
    targets = MaskTargets(np.ones((1, 1, 1), "float32"), np.array([0]), np.zeros((1, 1, 1), "float32"))
    assert float(loss.mrcnn_mask_loss(np.ones((1, 1, 1, 2), "float32"), targets)) == 0.0


@pytest.mark.parametrize("class_ids", [[0, 2], [1, 1]])
def test_of_class_of_one_mask_for_all_classes_is_that_mask(class_ids):
    logits = np.random.default_rng(0).normal(size=(2, 3, 3, 1)).astype("float32")
    np.testing.assert_array_equal(loss.of_class(logits, np.array(class_ids, "int32")), logits[..., 0])


def test_of_class_selects_the_mask_of_each_regions_class():
    logits = np.arange(8, dtype="float32").reshape(2, 1, 1, 4)
    np.testing.assert_array_equal(loss.of_class(logits, np.array([3, 0], "int32")), [[[3]], [[4]]])
    assert loss.of_class(logits[:0], np.zeros(0, "int32")).shape == (0, 1, 1)


def test_mrcnn_mask_loss_of_one_mask_for_all_classes():
    targets = MaskTargets(np.ones((1, 1, 2), "float32"), np.array([7]), np.ones((1, 1, 2), "float32"))
    logits = np.array([[[[0.0], [np.log(3.0)]]]], "float32")  # probabilities 1/2 and 3/4
    assert float(loss.mrcnn_mask_loss(logits, targets)) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2, rel=1e-6)
