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


def test_smooth_l1_is_linear_from_beta_on():
    got = np.asarray(reduction.smooth_l1(np.array([0.0, 0.25, -0.5, 3.0], "float32"), beta=0.5))
    np.testing.assert_allclose(got, [0, 0.0625, 0.5 - 0.25, 3 - 0.25])  # 0.5 * 0.25^2 / 0.5


@pytest.mark.parametrize("average", ["objects", "samples"])
def test_box_loss_of_two_devices_adds_up_to_that_of_one(average):
    difference = np.arange(24, dtype="float32").reshape(1, 6, 4) / 10
    objects = np.array([[True, True, False, True, False, False]])
    sampled = np.array([[True, True, True, True, False, True]])
    whole = reduction.box_loss(difference, objects=objects, sampled=sampled, average=average)
    total = objects.sum() * 4 if average == "objects" else sampled.sum()
    shares = [
        reduction.box_loss(
            difference[:, part],
            objects=objects[:, part],
            sampled=sampled[:, part],
            average=average,
            across=lambda count: count * 0 + total,
        )
        for part in (slice(0, 2), slice(2, 6))
    ]
    assert float(shares[0] + shares[1]) == pytest.approx(float(whole), rel=1e-6)


def test_smooth_l1_with_beta_0_is_l1():
    np.testing.assert_array_equal(reduction.smooth_l1(np.float32([-2, -0.25, 0, 0.5]), beta=0.0), [2, 0.25, 0, 0.5])


@pytest.mark.parametrize(
    ("average", "beta", "expected"),
    [
        # differences 0.5 in four deltas of one object; two boxes are sampled
        ("samples", None, 4 * (0.5 - 0.5 / 9) / 2),
        ("samples", 0.0, 4 * 0.5 / 2),
        ("samples", 1.0, 4 * 0.125 / 2),
        ("objects", None, 0.125),
        ("objects", 0.0, 0.5),
    ],
)
def test_box_loss_of_every_beta(average, beta, expected):
    loss = reduction.box_loss(
        np.full((1, 3, 4), 0.5, "float32"),
        objects=np.array([[True, False, False]]),
        sampled=np.array([[True, True, False]]),
        average=average,
        beta=beta,
    )
    assert float(loss) == pytest.approx(expected)
