import math

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.cascade import refine
from tests.traced import both

STD = (0.1, 0.1, 0.2, 0.2)
WINDOW = np.float32([[0, 0, 100, 100]])


def refined(region, deltas, window=(0, 0, 100, 100), std=STD):
    arrays = [np.float32([[region]]), np.float32([[deltas]]), np.float32([window])]
    return both(lambda *args: refine.refine_boxes(*args, delta_std=std), *arrays, unknown_batch=True)[0, 0].tolist()


def test_refine_boxes_moves_and_scales_by_deltas_times_their_std():
    # a region of 10 x 20: dy 1 * 0.1 * 10 = 1 down, dx 2 * 0.1 * 20 = 4 to the right
    assert refined([30, 40, 40, 60], [1, 2, 0, 0]) == pytest.approx([31, 44, 41, 64])
    # the second stage's std is half of the first one's, so the same deltas move half as far
    assert refined([30, 40, 40, 60], [1, 2, 0, 0], std=(0.05, 0.05, 0.1, 0.1)) == pytest.approx([30.5, 42, 40.5, 62])
    # dh ln 2 / 0.2 doubles the height around its centre of 35
    assert refined([30, 40, 40, 60], [0, 0, math.log(2) / 0.2, 0]) == pytest.approx([25, 40, 45, 60])


def test_refine_boxes_clips_to_the_window():
    assert refined([30, 40, 40, 60], [1, 2, 0, 0], window=(0, 45, 40.5, 62)) == pytest.approx([31, 45, 40.5, 62])


def test_refine_boxes_outside_the_window_or_without_area_have_none_afterwards():
    # dy 20 * 0.1 * 10 = 20: the region lies below the window, on whose edge it ends
    assert refined([30, 40, 40, 60], [20, 0, 0, 0], window=(0, 0, 45, 100)) == pytest.approx([45, 40, 45, 60])
    assert refined([0, 0, 0, 0], [3, -3, 9, 9]) == [0, 0, 0, 0]
    huge = refined([30, 40, 40, 60], [1e30, -1e30, 1e30, 1e30])
    assert np.isfinite(huge).all()


def test_refine_boxes_of_nothing_is_nothing():
    empty = np.zeros((1, 0, 4), np.float32)
    assert refine.refine_boxes(empty, empty, WINDOW, delta_std=STD).shape == (1, 0, 4)
    with pytest.raises(ValueError, match="must have 4 numbers"):
        refine.refine_boxes(np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 4), np.float32), WINDOW, delta_std=STD)


def test_refine_boxes_passes_no_gradient():
    deltas = tf.Variable([[[1.0, 2.0, 0.0, 0.0]]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(refine.refine_boxes(tf.constant([[[30.0, 40, 40, 60]]]), deltas, WINDOW, delta_std=STD))
    assert tape.gradient(total, deltas) is None


def test_average_scores_is_the_mean_of_probabilities_not_of_logits():
    stages = [[0.5, 0.5], [0.8, 0.2], [0.2, 0.8], [0.9, 0.1]]
    logits = [np.log(np.float32([[stage]])) + shift for stage, shift in zip(stages, (0, 5, -5, 1), strict=True)]
    # (0.5 + 0.8 + 0.2 + 0.9) / 4 = 0.6; the mean of the logits would give 0.75 : 0.25
    np.testing.assert_allclose(both(lambda *args: refine.average_scores(args), *logits), [[[0.6, 0.4]]], atol=1e-6)
    np.testing.assert_allclose(refine.average_scores(logits[1:2]), [[[0.8, 0.2]]], atol=1e-6)


def test_average_scores_of_sigmoid_leave_the_background_out():
    logits = [np.float32([[[9.0, 0.0]]]), np.float32([[[-9.0, np.log(3.0)]]])]
    found = both(lambda *args: refine.average_scores(args, scoring="sigmoid"), *logits)
    np.testing.assert_allclose(found, [[[0.0, (1 / 2 + 3 / 4) / 2]]], atol=1e-6)


def test_average_scores_are_float32_and_may_be_of_no_region():
    found = refine.average_scores([tf.zeros((2, 0, 3), tf.bfloat16)] * 2)
    assert (found.shape, found.dtype) == ((2, 0, 3), tf.float32)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_scale_gradient_changes_no_value(dtype):
    values = tf.cast(np.random.default_rng(0).normal(scale=1e3, size=(50, 7)), dtype)
    found = refine.scale_gradient(values, 1 / 3)
    assert found.dtype == values.dtype
    assert bool(tf.reduce_all(found == values))


def test_scale_gradient_multiplies_the_gradient():
    values = tf.Variable([2.0, -3.0])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(refine.scale_gradient(values, 0.25) ** 2)
    # d x^2 / d x = 2 x, times 0.25
    np.testing.assert_allclose(tape.gradient(total, values), [1.0, -1.5])
