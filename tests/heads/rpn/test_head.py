import functools

import numpy as np
import pytest

from mrcnn.heads.rpn.head import RpnOutputs
from mrcnn.ops import reduction
from mrcnn.structures import AnchorTargets
from tests.heads import parts as small

ANCHORS = 3 * (16**2 + 8**2 + 4**2 + 2**2 + 1)  # of an input of 64 pixels


@pytest.fixture(scope="module")
def rpn():
    return small.build().rpn


def test_call_proposes_so_many_regions_inside_the_image(rpn):
    scored, proposals = rpn(small.pyramid(), image_size=(64, 64), count=7)
    assert scored.objectness_logits.shape == (1, ANCHORS, 2)
    assert scored.anchors.shape == (ANCHORS, 4)
    assert proposals.boxes.shape == (1, 7, 4)
    boxes = np.asarray(proposals.boxes)
    assert boxes.min() >= 0
    assert boxes.max() <= 64


def test_losses_have_the_names_of_the_head(rpn):
    scored, _ = rpn(small.pyramid(), image_size=(64, 64), count=7)
    outputs = rpn.outputs(scored, small.batch([[8, 8, 40, 40]], [1]))
    losses = rpn.losses(outputs, across=reduction.identity)
    assert tuple(losses) == rpn.loss_names
    assert all(float(value) > 0 for value in losses.values())


def test_call_in_matterports_frame_has_proposals_in_pixels():
    rpn, inner = small.build(box_normalization="minus_one").rpn, []
    rpn.proposals.call = functools.partial(_kept, rpn.proposals.call, inner)
    _, proposals = rpn(small.pyramid(), image_size=(64, 64), count=2000)
    boxes, valid = np.asarray(proposals.boxes), np.asarray(proposals.valid)
    assert inner[0].max() == 63.0  # the frame ends at the last pixel
    assert boxes.max() == 64.0
    np.testing.assert_array_equal(boxes[valid], inner[0][valid] + np.array([0, 0, 1, 1], "float32"))
    assert not boxes[~valid].any()
    assert not valid.all()


def _kept(call, kept, *args, **kwargs):
    proposals = call(*args, **kwargs)
    kept.append(np.asarray(proposals.boxes))
    return proposals


@pytest.mark.parametrize(("clip", "most"), [(False, [64, 64]), (True, [40, 48])])
def test_call_clips_to_the_window_or_to_the_whole_input(rpn, monkeypatch, clip, most):
    monkeypatch.setattr(rpn, "clip_to_windows", clip)
    windows = np.array([[0, 0, 40, 48]], "float32")
    _, proposals = rpn(small.pyramid(), image_size=(64, 64), count=200, windows=windows)
    boxes = np.asarray(proposals.boxes)[0]
    assert boxes[:, 2:].max(axis=0).tolist() == most
    assert boxes.min() == 0


def test_call_passes_the_number_of_anchors_before_the_suppression(rpn):
    _, proposals = rpn(small.pyramid(), image_size=(64, 64), count=200, pre_nms_topk=1)
    assert 1 <= np.asarray(proposals.valid).sum() <= 5  # one of each level at most


@pytest.mark.parametrize(("beta", "average"), [(0.0, "samples"), (1.0, "samples"), (None, "objects")])
def test_losses_use_the_beta_and_the_average_of_the_head(rpn, monkeypatch, beta, average):
    monkeypatch.setattr(rpn, "box_loss_beta", beta)
    monkeypatch.setattr(rpn, "box_loss_average", average)
    state = np.array([[1, 0, -1]], "int32")
    targets = AnchorTargets(state=state, deltas=np.zeros((1, 3, 4), "float32"))
    deltas = np.array([[[0.5, 0, 0, 0]] * 3], "float32")
    losses = rpn.losses(RpnOutputs(np.zeros((1, 3, 2), "float32"), deltas, targets), across=reduction.identity)
    # L1 0.5, or 0.5 * 0.5^2, over two sampled anchors, or over the four deltas of the object
    expected = {0.0: 0.5 / 2, 1.0: 0.125 / 2, None: 0.125 / 4}[beta]
    assert float(losses["rpn_bbox_loss"]) == pytest.approx(expected)
