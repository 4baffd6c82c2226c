import math

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.semantic.loss import mrcnn_semantic_loss
from mrcnn.structures import UNLABELLED
from tests.traced import both


def test_semantic_loss_is_the_mean_over_labelled_pixels():
    # softmax of (0, ln 3) is (1/4, 3/4); the third pixel is not labelled
    logits = np.log(np.float32([[[[1, 3], [1, 3], [1, 9]]]]))
    classes = np.uint8([[[0, 1, UNLABELLED]]])
    expected = (math.log(4) + math.log(4 / 3)) / 2
    assert both(mrcnn_semantic_loss, logits, classes, unknown_batch=True) == pytest.approx(expected, rel=1e-5)


def test_semantic_loss_without_labelled_pixels_is_zero():
    logits = np.ones((1, 2, 2, 3), "float32")
    assert both(mrcnn_semantic_loss, logits, np.full((1, 2, 2), UNLABELLED, "uint8")) == 0.0


def test_semantic_loss_of_a_part_of_a_batch_is_its_share():
    logits = np.log(np.float32([[[[1, 3], [1, 3]]]]))
    classes = np.uint8([[[0, 1]]])
    found = mrcnn_semantic_loss(logits, classes, across=lambda count: count + 2)  # another device has two pixels
    assert float(found) == pytest.approx((math.log(4) + math.log(4 / 3)) / 4, rel=1e-5)


def test_semantic_loss_has_no_gradient_at_unlabelled_pixels():
    logits = tf.Variable(np.zeros((1, 1, 3, 2), "float32"))
    with tf.GradientTape() as tape:
        loss = mrcnn_semantic_loss(logits, np.uint8([[[0, 1, UNLABELLED]]]))
    # of equal logits: (p - 1, p) / 2 pixels = (-1/4, 1/4)
    expected = [[-0.25, 0.25], [0.25, -0.25], [0, 0]]
    np.testing.assert_allclose(tape.gradient(loss, logits)[0, 0], expected, atol=1e-6)
