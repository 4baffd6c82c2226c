import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.mask.point_loss import mrcnn_point_loss, sample
from mrcnn.heads.mask.point_targets import point_targets
from mrcnn.ops import reduction
from tests.traced import both

# computed by the published code of PointSup (detectron2 at 02b5c4e2, projects/PointSup and point_head.py) with torch
# 2.14.1; points have the half pixel added already
BOXES_XYXY = np.float32([[2, 3, 12, 9], [0, 0, 8, 8]])
POINTS = np.float32([
    [[2.5, 3.5], [7.0, 6.0], [11.5, 8.5], [1.5, 4.0], [12.5, 5.0]],
    [[4.0, 4.0], [0.5, 7.5], [7.9, 0.1], [8.2, 1.0], [3.0, 2.0]],
])  # fmt: skip
LABELS = np.float32([[1, 1, 0, 0, 1], [1, 0, 0, 1, -1]])
PLACES = [
    [[0.05, 0.08333334], [0.5, 0.5], [0.95, 0.9166667], [-0.05, 0.16666667], [1.05, 0.33333334]],
    [[0.5, 0.5], [0.0625, 0.9375], [0.9875, 0.0125], [1.025, 0.125], [0.375, 0.25]],
]  # fmt: skip
COUNTED = [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0]]
LOGITS = np.float32([  # region, class, row and column
    [
        [-1.04, 0.92, -1.3, -1.11, -1.22, 1.17, -1.06, -0.12, -0.91, 0.35, -0.57, -0.24, 1.01, -0.75, -0.22, -0.43],
        [-1.51, -0.46, -0.85, 0.53, 0.03, -0.05, 1.07, 0.89, 0.46, -0.5, 0.13, 2.76, 0.14, 1.12, 0.32, 1.75],
        [-0.76, 1.83, -0.28, -0.27, -1.29, -0.02, -0.24, -0.71, 1.16, 0.43, -1.19, -0.75, -0.93, -0.86, -0.96, -0.1],
    ],
    [
        [-1.02, 0.32, -1.6, 1.85, 0.04, 1.59, -0.59, 1.13, 0.76, -1.2, -0.58, -0.44, -1.98, 0.78, -0.77, -0.14],
        [1.14, -0.64, -1.47, -0.21, -0.87, 1.62, -0.24, 0.94, 2.11, -0.98, 0.18, -0.13, -0.27, 0.34, 0.19, 2.14],
        [0.85, 0.1, -0.06, 0.83, 0.56, -0.78, 0.33, 0.18, 2.11, 1.07, 0.02, 1.12, -1.49, -0.2, -1.05, -1.58],
    ],
]).reshape(2, 3, 4, 4)  # fmt: skip
SAMPLED = [
    [
        [-0.60666668, -0.0275, -0.25083333, -0.32099995, -0.08550005],
        [-0.88083339, 0.16250002, 1.02083325, -0.3759999, 0.24900016],
        [-0.44333336, -0.255, -0.05833333, -0.25449997, -0.19100013],
    ],
    [
        [-0.19500001, -1.11374998, 0.55962491, 0.74000019, 0.95500004],
        [0.145, -0.151875, -0.06352498, -0.08400001, 0.49000001],
        [0.16000003, -0.83812499, 0.25107494, 0.33200008, -0.33999997],
    ],
]  # fmt: skip
CLASSES = np.int32([1, 2])
LOSS = 0.4973617494106293


def published():
    """Returns the loss's arguments of the published case: logits `[2, 4, 4, 3]` and the targets."""
    points = np.concatenate([POINTS, LABELS[..., None]], axis=-1)
    places, labels, inside = point_targets(points, BOXES_XYXY[:, [1, 0, 3, 2]])
    weights = np.float32(inside)
    return np.moveaxis(LOGITS, 1, -1), {
        "places": np.asarray(places), "labels": np.asarray(labels), "class_ids": CLASSES, "weights": weights,
        "drawn": np.ones((2, 5), "float32"),
    }  # fmt: skip


def test_point_targets_match_the_published_case():
    _, targets = published()
    np.testing.assert_allclose(targets["places"], PLACES, atol=1e-6)
    assert targets["weights"].tolist() == COUNTED
    assert targets["labels"].tolist() == [[1, 1, 0, 0, 1], [1, 0, 0, 1, 0]]


def test_sample_matches_the_published_case():
    for channel in range(3):
        got = both(sample, LOGITS[:, channel], np.float32(PLACES))
        np.testing.assert_allclose(got, np.array(SAMPLED)[:, channel], atol=1e-6)


def test_sample_is_bilinear_and_falls_to_half_at_the_edge_and_to_0_beyond():
    # 2 x 2 cells with middles at 0.25 and 0.75
    maps = np.float32([[[1, 2], [3, 4]]])
    places = np.float32([[[0.25, 0.25], [0.75, 0.25], [0.5, 0.5], [0, 0.25], [-0.25, 0.25], [1.3, 0.5], [0.25, 1.0]]])
    # the middle (1 + 2 + 3 + 4) / 4; half of 1 at the left edge; half of 3 at the lower one
    np.testing.assert_allclose(both(sample, maps, places), [[1, 2, 2.5, 0.5, 0, 0, 1.5]], atol=1e-6)
    assert both(sample, maps, np.zeros((1, 0, 2), "float32")).shape == (1, 0)


def test_mrcnn_point_loss_matches_the_published_case():
    logits, targets = published()
    got = both(lambda logits, *rest: mrcnn_point_loss(logits, **dict(zip(targets, rest, strict=True))), logits,
               *targets.values())  # fmt: skip
    assert float(got) == pytest.approx(LOSS, abs=1e-6)


def test_mrcnn_point_loss_is_divided_by_the_points_that_were_drawn():
    # the first point of each region, both of the object:
    # ln(1 + e^0.88083339) = 1.2276 and ln(1 + e^-0.16000003) = 0.6163
    logits, targets = published()
    first = np.float32([[1, 0, 0, 0, 0]] * 2)
    for drawn, expected in ((first, (1.2276 + 0.6163) / 2), (np.float32([[1, 1, 0, 0, 0]] * 2), (1.2276 + 0.6163) / 4)):
        got = mrcnn_point_loss(logits, **{**targets, "weights": first, "drawn": drawn})
        assert float(got) == pytest.approx(expected, abs=1e-4)


def test_mrcnn_point_loss_of_one_mask_for_all_classes():
    logits, targets = published()
    one = np.stack([logits[0, ..., 1], logits[1, ..., 2]])[..., None]
    assert float(mrcnn_point_loss(one, **targets)) == pytest.approx(LOSS, abs=1e-6)


def test_mrcnn_point_loss_of_half_precision_logits_is_float32():
    logits, targets = published()
    got = mrcnn_point_loss(tf.cast(logits, "bfloat16"), **targets)
    assert got.dtype == tf.float32
    assert float(got) == pytest.approx(LOSS, abs=1e-2)


def test_mrcnn_point_loss_has_the_gradient_of_its_definition():
    # finite differences in float64 of the definition written out point by point
    logits, targets = published()
    tensor = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = mrcnn_point_loss(tensor, **targets)
    gradient = tape.gradient(value, tensor).numpy()
    step = 1e-6
    for place in np.ndindex(*logits.shape):
        moved = [logits.astype(np.float64) for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        high, low = (_defined(each, targets) for each in moved)
        assert gradient[place] == pytest.approx((high - low) / (2 * step), abs=1e-6)
    assert np.count_nonzero(gradient[0, ..., 1]) > 4
    assert not gradient[0, ..., [0, 2]].any()  # of the other classes


def _defined(logits, targets):
    side, values = logits.shape[1], []
    for region, class_id in enumerate(targets["class_ids"]):
        own = np.pad(logits[region, ..., class_id], 1)
        for (x, y), label, weight in zip(
            *(targets[name][region] for name in ("places", "labels", "weights")), strict=True
        ):
            if weight:
                column, row = x * side + 0.5, y * side + 0.5  # of the padded map
                c, r = int(np.floor(column)), int(np.floor(row))
                a, b = column - c, row - r
                z = (own[r, c] * (1 - a) + own[r, c + 1] * a) * (1 - b) + (
                    own[r + 1, c] * (1 - a) + own[r + 1, c + 1] * a
                ) * b
                values.append(np.log1p(np.exp(-z)) if label else np.log1p(np.exp(z)))
    return np.sum(values) / targets["drawn"].sum()


@pytest.mark.parametrize("drawn", [0, 1])
@pytest.mark.parametrize("places", [0.5, -3.0, 1e6])
def test_mrcnn_point_loss_without_a_point_that_counts_is_0_with_a_finite_gradient(places, drawn):
    logits, targets = published()
    nothing = {**targets, "places": np.full_like(targets["places"], places), "weights": np.zeros((2, 5), "float32")}
    nothing["drawn"] = nothing["drawn"] * drawn
    tensor = tf.constant(logits * 1e4)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = mrcnn_point_loss(tensor, **nothing)
    assert float(value) == 0
    assert not tape.gradient(value, tensor).numpy().any()


def test_mrcnn_point_loss_of_two_devices_adds_up():
    logits, targets = published()
    total = np.float32(10)  # points of both regions, those that are ignored too
    parts = [
        mrcnn_point_loss(logits[part], **{name: value[part] for name, value in targets.items()}, across=lambda _: total)
        for part in (slice(0, 1), slice(1, 2))
    ]
    assert float(sum(parts)) == pytest.approx(LOSS, abs=1e-6)
    assert reduction.identity(total) == total
