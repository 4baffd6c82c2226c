import numpy as np
import pytest
from keras import ops

from mrcnn.ops.backend import blocked
from tests.ops.backend import suppression


def nms(boxes, scores, **settings):
    found = [blocked.nms(*map(ops.convert_to_tensor, one), **settings) for one in zip(boxes, scores, strict=True)]
    return [np.stack([np.asarray(ops.convert_to_numpy(each)) for each in field]) for field in zip(*found, strict=True)]


@pytest.mark.parametrize("block", [1, 7, 64, 256])
def test_nms_is_the_greedy_loop_in_blocks_of_any_size(monkeypatch, block):
    monkeypatch.setattr(blocked, "_BLOCK", block)
    suppression.assert_greedy(nms, *suppression.crowd(90), iou_threshold=0.4, max_outputs=60)


@pytest.mark.parametrize(("threshold", "most"), [(0.0, 90), (0.3, 5), (0.7, 1), (1.0, 90)])
def test_nms_by_threshold_and_number_of_slots(monkeypatch, threshold, most):
    monkeypatch.setattr(blocked, "_BLOCK", 16)
    suppression.assert_greedy(nms, *suppression.crowd(90, seed=1), iou_threshold=threshold, max_outputs=most)


def test_nms_in_a_chain_keeps_every_other_box():
    # each box of 10 x 10 moves on by 4: IoU with the next 60 / 140 = 0.43, with the one after 20 / 180 = 0.11
    boxes = np.float32([[[0, 4 * step, 10, 4 * step + 10] for step in range(7)]])
    scores = np.float32([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]])
    index, used = nms(boxes, scores, iou_threshold=0.4, max_outputs=7)
    assert index[used].tolist() == [0, 2, 4, 6]


def test_nms_keeps_a_box_at_the_threshold_and_the_first_of_equals():
    boxes = np.float32([[[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 1]]])  # IoU of the last with the others 2 / 4
    scores = np.float32([[0.5, 0.5, 0.5]])
    index, used = nms(boxes, scores, iou_threshold=0.5, max_outputs=3)
    assert index[used].tolist() == [0, 2]


def test_nms_of_no_boxes_of_invalid_ones_and_of_boxes_without_area():
    nothing = np.zeros((1, 0, 4), np.float32), np.zeros((1, 0), np.float32)
    index, used = nms(*nothing, iou_threshold=0.5, max_outputs=3)
    assert (index.tolist(), used.any()) == ([[0, 0, 0]], False)
    flat = np.zeros((1, 2, 4), np.float32)
    index, used = nms(flat, np.full((1, 2), suppression.INVALID_SCORE, np.float32), iou_threshold=0.5, max_outputs=2)
    assert not used.any()
    index, used = nms(flat, np.float32([[0.1, 0.2]]), iou_threshold=0.5, max_outputs=2)
    assert index[used].tolist() == [1, 0]  # they overlap nothing
