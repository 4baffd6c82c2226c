import json
from pathlib import Path

import numpy as np
import pytest

from mrcnn.ops import box_coding
from tests.traced import both

# facebookresearch/detectron2 box_regression.py and torchvision BoxCoder; boxes xyxy, deltas (dx, dy, dw, dh)
CASES = json.loads((Path(__file__).parent / "cases" / "box_coder.json").read_text())["cases"]
ENCODED = [case for case in CASES if "target_xyxy" in case]
ONE = (1.0, 1.0, 1.0, 1.0)
STD = (0.1, 0.1, 0.2, 0.2)


def swap(values):
    """Turns x-first quadruples into y-first ones and back."""
    return np.float32(values)[..., [1, 0, 3, 2]]


def std_of(case):
    wx, wy, ww, wh = case["weights"]  # detectron2 multiplies by weights, we divide by standard deviations
    return (1 / wy, 1 / wx, 1 / wh, 1 / ww)


@pytest.mark.parametrize("case", ENCODED, ids=lambda case: str(case["weights"]))
def test_encode_boxes_matches_reference(case):
    result = both(
        lambda boxes, anchors: box_coding.encode_boxes(boxes, anchors, delta_std=std_of(case)),
        swap(case["target_xyxy"]),
        swap(case["src_xyxy"]),
    )
    np.testing.assert_allclose(result, swap(case["deltas"]), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case.get("name") != "class_specific_k2"])
def test_decode_boxes_matches_reference(case):
    result = both(
        lambda deltas, anchors: box_coding.decode_boxes(deltas, anchors, delta_std=std_of(case)),
        swap(case["deltas"]),
        swap(case["src_xyxy"]),
    )
    np.testing.assert_allclose(result, swap(case["decoded"]), rtol=1e-6, atol=2e-4)


def test_decode_boxes_broadcasts_anchors_over_classes():
    case = next(case for case in CASES if case.get("name") == "class_specific_k2")
    deltas = swap(np.reshape(case["deltas"], (2, 2, 4)))
    anchors = swap(case["src_xyxy"])[:, None]  # [2, 1, 4]
    result = both(lambda d, a: box_coding.decode_boxes(d, a, delta_std=std_of(case)), deltas, anchors)
    np.testing.assert_allclose(result, swap(np.reshape(case["decoded"], (2, 2, 4))), rtol=1e-6, atol=1e-5)


def test_encode_boxes_worked_numbers():
    anchors = np.float32([[10, 20, 30, 60]])  # centre (20, 40), sides (20, 40)
    box = np.float32([[15, 30, 45, 50]])  # centre (30, 40), sides (30, 20)
    deltas = both(lambda b, a: box_coding.encode_boxes(b, a, delta_std=STD), box, anchors)
    expected = [[10 / 20 / 0.1, 0, np.log(30 / 20) / 0.2, np.log(20 / 40) / 0.2]]
    np.testing.assert_allclose(deltas, expected, rtol=1e-6)


def test_encode_boxes_and_decode_boxes_round_trip():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 900, (2, 50, 2, 2))
    boxes, anchors = np.concatenate([corner, corner + rng.uniform(8, 200, corner.shape)], -1).astype(np.float32)

    def there_and_back(b, a):
        return box_coding.decode_boxes(box_coding.encode_boxes(b, a, delta_std=STD), a, delta_std=STD)

    np.testing.assert_allclose(both(there_and_back, boxes, anchors, unknown_batch=True), boxes, atol=1e-3)


def test_encode_boxes_and_decode_boxes_degenerate_boxes_and_anchors_stay_finite():
    given = np.float32([[0, 0, 0, 0], [5, 5, 1, 1], [0, 0, 10, 10]])
    for boxes in (given, given[::-1].copy()):
        assert np.isfinite(both(lambda b, a: box_coding.encode_boxes(b, a, delta_std=STD), boxes, given)).all()
    zeros = np.zeros((1, 4), np.float32)
    decoded = both(lambda d, a: box_coding.decode_boxes(d, a, delta_std=STD), np.float32([[1, 1, 99, 99]]), zeros)
    np.testing.assert_array_equal(decoded, zeros)


def test_decode_boxes_huge_scales_are_clamped_to_62_5_anchor_sides():
    decoded = both(
        lambda d, a: box_coding.decode_boxes(d, a, delta_std=ONE),
        np.float32([[0, 0, 500, 500]]),
        np.float32([[0, 0, 16, 16]]),
    )
    np.testing.assert_allclose(decoded, [[8 - 500, 8 - 500, 8 + 500, 8 + 500]], rtol=1e-5)


def test_decode_boxes_half_precision_deltas_are_computed_in_float32():
    anchors = np.float32([[1000, 1000, 1001, 1001]])
    decoded = both(lambda d, a: box_coding.decode_boxes(d, a, delta_std=ONE), np.float16([[0.25, 0, 0, 0]]), anchors)
    np.testing.assert_array_equal(decoded, anchors + np.float32([0.25, 0, 0.25, 0]))


def test_encode_boxes_and_decode_boxes_empty_in_empty_out():
    empty = np.zeros((2, 0, 4), np.float32)
    assert both(lambda b, a: box_coding.encode_boxes(b, a, delta_std=STD), empty, empty).shape == (2, 0, 4)
    assert both(lambda d, a: box_coding.decode_boxes(d, a, delta_std=STD), empty, empty).shape == (2, 0, 4)


@pytest.mark.parametrize("function", [box_coding.encode_boxes, box_coding.decode_boxes])
def test_the_last_axis_must_be_four(function):
    with pytest.raises(ValueError, match="4 numbers on the last axis"):
        function(np.zeros((3, 5)), np.zeros((3, 4)), delta_std=ONE)
    with pytest.raises(ValueError, match="4 numbers on the last axis"):
        function(np.zeros((3, 4)), np.zeros((3, 3)), delta_std=ONE)
