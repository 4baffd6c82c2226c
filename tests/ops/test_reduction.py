import numpy as np
import pytest

from mrcnn.ops import reduction


def test_weighted_mean_divides_by_the_count_over_all_devices():
    values, weights = np.array([1.0, 5.0, 9.0], "float32"), np.array([1.0, 0.0, 1.0], "float32")
    assert float(reduction.weighted_mean(values, weights)) == (1 + 9) / 2
    # another device holds three more: (1 + 9) / 5
    assert float(reduction.weighted_mean(values, weights, across=lambda count: count + 3)) == pytest.approx(2.0)


def test_weighted_mean_of_nothing_is_zero():
    assert float(reduction.weighted_mean(np.zeros(0, "float32"), np.zeros(0, "float32"))) == 0.0
    assert float(reduction.weighted_mean(np.ones(3, "float32"), np.zeros(3, "float32"))) == 0.0


def test_smooth_l1_is_quadratic_then_linear():
    got = np.asarray(reduction.smooth_l1(np.array([0.0, 0.5, -0.5, 1.0, -3.0], "float32")))
    np.testing.assert_allclose(got, [0, 0.5 * 0.25, 0.5 * 0.25, 1 - 0.5, 3 - 0.5])


def test_cross_entropy_of_even_logits_is_log_of_the_classes():
    got = np.asarray(reduction.cross_entropy(np.zeros((2, 4), "float32"), np.array([0, 3])))
    np.testing.assert_allclose(got, [np.log(4)] * 2, rtol=1e-6)


def test_cross_entropy_survives_huge_logits():
    logits = np.array([[1000.0, -1000.0]], "float32")
    assert float(reduction.cross_entropy(logits, np.array([0]))[0]) == 0.0
    assert float(reduction.cross_entropy(logits, np.array([1]))[0]) == 2000.0
