import numpy as np
import pytest

from mrcnn.heads.rpn import loss as rpn
from mrcnn.structures import AnchorTargets


def _targets(state, deltas=None):
    state = np.array([state], "int32")
    return AnchorTargets(
        state, np.zeros((*state.shape, 4), "float32") if deltas is None else np.array([deltas], "float32")
    )


def test_rpn_class_loss_skips_anchors_not_sampled():
    # probabilities of the true class: 1/2 and 3/4; the third anchor is not sampled
    logits = np.array([[[0.0, 0.0], [0.0, np.log(3.0)], [9.0, -9.0]]], "float32")
    loss = rpn.rpn_class_loss(logits, _targets([0, 1, -1]))
    assert float(loss) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2, rel=1e-6)


def test_rpn_bbox_loss_counts_objects_only_and_averages_over_four():
    deltas = np.array([[[0.5, 2.0, 0.0, 0.0], [7.0, 7.0, 7.0, 7.0]]], "float32")
    loss = rpn.rpn_bbox_loss(deltas, _targets([1, 0], [[0, 0, 0, 0], [0, 0, 0, 0]]))
    assert float(loss) == pytest.approx((0.5 * 0.25 + 1.5) / 4)


@pytest.mark.parametrize("state", [[-1, -1], [0, -1]])
def test_rpn_bbox_loss_without_objects_is_zero(state):
    assert float(rpn.rpn_bbox_loss(np.ones((1, 2, 4), "float32"), _targets(state))) == 0.0


def test_rpn_class_loss_without_samples_is_zero():
    assert float(rpn.rpn_class_loss(np.ones((1, 2, 2), "float32"), _targets([-1, -1]))) == 0.0


def test_rpn_bbox_loss_of_samples_divides_the_sum_by_all_sampled_anchors():
    # linear from 1/9 on: 0.5 - 1/18 and 2 - 1/18; below it quadratic: 4.5 * 0.1^2. Three anchors are sampled
    deltas = np.array([[[0.5, 2.0, 0.1, 0.0], [7.0] * 4, [7.0] * 4, [7.0] * 4]], "float32")
    targets = _targets([1, 0, 0, -1], np.zeros((4, 4), "float32"))
    loss = rpn.rpn_bbox_loss(deltas, targets, average="samples")
    assert float(loss) == pytest.approx((0.5 - 1 / 18 + 2 - 1 / 18 + 0.045) / 3)


def test_rpn_bbox_loss_of_samples_without_objects_or_samples_is_zero():
    for state in ([0, 0], [-1, -1]):
        assert float(rpn.rpn_bbox_loss(np.ones((1, 2, 4), "float32"), _targets(state), average="samples")) == 0.0
