import math

import numpy as np
import pytest

from mrcnn.heads.keypoint.loss import mrcnn_keypoint_loss
from mrcnn.heads.keypoint.targets import KeypointTargets
from tests.heads.keypoint.reference import CASES
from tests.traced import both

LOGITS = np.array(CASES["loss"]["logits"], "float32").transpose(0, 2, 3, 1)  # [P, K, S, S] -> [P, S, S, K]
TARGETS = KeypointTargets(*(np.array(CASES["encode"]["expected"]["8"][name]) for name in ("labels", "valid")))
TARGETS = KeypointTargets(TARGETS.cells.astype("int32"), TARGETS.weights.astype("float32"))


def loss_of(logits, targets, **kwargs):
    def compute(logits, cells, weights):
        return mrcnn_keypoint_loss(logits, KeypointTargets(cells, weights), **kwargs)

    return float(both(compute, logits, *targets))


def test_mrcnn_keypoint_loss_is_detectron2s_with_both_normalizers():
    expected = CASES["loss"]
    assert loss_of(LOGITS, TARGETS) == pytest.approx(expected["expected_visible_normaliser"], rel=1e-5)
    # one image of 512 regions, a quarter of them objects, 6 points each
    static = loss_of(LOGITS, TARGETS, static_count=np.float32(512 * 0.25 * 6))
    assert static == pytest.approx(expected["expected_static_normaliser_1img"], rel=1e-5)


def test_mrcnn_keypoint_loss_of_a_map_without_preference_is_the_log_of_its_cells():
    logits = np.zeros((1, 56, 56, 2), "float32")
    targets = KeypointTargets(np.array([[7, 9]], "int32"), np.array([[1, 0]], "float32"))
    assert loss_of(logits, targets) == pytest.approx(math.log(56 * 56), rel=1e-6)
    logits[0, 0, 7, 0] = 1000.0  # row 0, column 7 is the first point's cell
    logits[0, 3, 3, 1] = 1000.0  # of the second point, which does not count
    assert loss_of(logits, targets) == 0.0


def test_mrcnn_keypoint_loss_without_points_is_zero():
    nothing = KeypointTargets(np.zeros((1, 2), "int32"), np.zeros((1, 2), "float32"))
    logits = np.ones((1, 4, 4, 2), "float32")
    assert loss_of(logits, nothing) == 0.0
    assert loss_of(logits, nothing, static_count=np.float32(0)) == 0.0


def test_mrcnn_keypoint_loss_of_two_devices_adds_up_to_that_of_one():
    total = float(TARGETS.weights.sum())
    parts = [
        loss_of(
            LOGITS[row : row + 1], KeypointTargets(*(each[row : row + 1] for each in TARGETS)), across=lambda _: total
        )
        for row in (0, 1)
    ]
    assert sum(parts) == pytest.approx(loss_of(LOGITS, TARGETS), rel=1e-6)
