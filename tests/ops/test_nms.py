import json
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from mrcnn.ops import nms
from tests.traced import both

# torchvision.ops.nms and batched_nms, and its tests; suppression is indifferent to the order of x and y
CASES = {case["name"]: case for case in json.loads((Path(__file__).parent / "cases" / "nms.json").read_text())["cases"]}
RANDOM = CASES["rand60"]


def suppress(boxes, scores, iou_threshold, valid=None, max_outputs=60):
    """Suppresses one image alone and as each half of a batch, and gives the kept indices."""
    boxes, scores = np.float32(boxes).reshape(1, -1, 4), np.float32(scores).reshape(1, -1)
    valid = np.ones(scores.shape, bool) if valid is None else np.bool_(valid).reshape(1, -1)

    def run(*given):
        return nms.nms(*given, iou_threshold=iou_threshold, max_outputs=max_outputs)

    index, used = both(run, boxes, scores, valid, unknown_batch=True)
    pair = both(run, *(np.repeat(array, 2, axis=0) for array in (boxes, scores, valid)), unknown_batch=True)
    for result, half in zip((index, used), pair, strict=True):
        np.testing.assert_array_equal(half, np.repeat(result, 2, axis=0))
    assert index.shape == used.shape == (1, max_outputs)
    assert not index[~used].any()
    assert (np.diff(used.astype(int)) <= 0).all()  # used slots first
    return index[used].tolist()


def suppress_by_class(boxes, scores, class_ids, iou_threshold, valid=None, max_outputs=60):
    boxes, scores = np.float32(boxes).reshape(1, -1, 4), np.float32(scores).reshape(1, -1)
    valid = np.ones(scores.shape, bool) if valid is None else np.bool_(valid).reshape(1, -1)
    index, used = both(
        lambda boxes, scores, class_ids, valid: nms.class_nms(
            boxes, scores, class_ids, valid=valid, iou_threshold=iou_threshold, max_outputs=max_outputs
        ),
        boxes,
        scores,
        np.int32(class_ids).reshape(1, -1),
        valid,
        unknown_batch=True,
    )
    assert not index[~used].any()
    return index[used].tolist()


@pytest.mark.parametrize(
    "name",
    ["fp16_case", "six_boxes_0.2", "six_boxes_0.5", "six_boxes_0.7", "six_boxes_0.9", "iou_exactly_threshold_is_kept"],
)
def test_nms_matches_torchvision(name):
    case = CASES[name]
    assert suppress(case["boxes"], case["scores"], case["iou_threshold"]) == case["expected_keep"]


@pytest.mark.parametrize("threshold", RANDOM["expected"])
def test_nms_matches_torchvision_on_sixty_boxes(threshold):
    assert suppress(RANDOM["boxes"], RANDOM["scores"], float(threshold)) == RANDOM["expected"][threshold]


def test_nms_invalid_boxes_are_not_kept_and_suppress_nothing():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [30, 30, 40, 40]]
    assert suppress(boxes, [0.9, 0.8, 0.7], 0.5) == [0, 2]
    assert suppress(boxes, [0.9, 0.8, 0.7], 0.5, valid=[False, True, True]) == [1, 2]


def test_nms_the_best_fill_the_slots():
    keep = RANDOM["expected"]["0.5"]
    assert suppress(RANDOM["boxes"], RANDOM["scores"], 0.5, max_outputs=3) == keep[:3]


@pytest.mark.parametrize("scores", [[0.0, -5.0], [-1.0, -2.0], [1e20, -1e20]])
def test_nms_any_finite_score_counts(scores):
    assert suppress([[0, 0, 1, 1], [5, 5, 6, 6]], scores, 0.5, max_outputs=4) == [0, 1]


def test_nms_no_boxes_and_none_valid():
    assert suppress([], [], 0.5, max_outputs=5) == []
    assert suppress([[0, 0, 1, 1]], [0.9], 0.5, valid=[False], max_outputs=5) == []


def test_nms_degenerate_boxes_suppress_nothing():
    assert suppress([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 9, 9]], [0.9, 0.8, 0.7], 0.5) == [0, 1, 2]


def test_nms_no_images():
    index, used = nms.nms(
        np.zeros((0, 3, 4)), np.zeros((0, 3)), np.zeros((0, 3), bool), iou_threshold=0.5, max_outputs=2
    )
    assert index.shape == used.shape == (0, 2)


def test_class_nms_matches_torchvision():
    case = CASES["batched_by_class"]
    keep = suppress_by_class(case["boxes"], case["scores"], case["class_idx"], case["iou_threshold"])
    assert keep == case["expected_keep"]


@pytest.mark.parametrize("class_count", [1, 2, 5, 60])
def test_class_nms_equals_one_run_per_class(class_count):
    # class ids up to 80 (COCO), boxes on a quarter-pixel grid, so that the offsets are exact
    class_ids = np.arange(60) % class_count * (80 // class_count) + 1
    boxes, scores = np.float32(RANDOM["boxes"]), np.float32(RANDOM["scores"])
    kept = []
    for class_id in np.unique(class_ids):
        valid = class_ids == class_id
        index, used = nms.nms(boxes[None], scores[None], valid[None], iou_threshold=0.3, max_outputs=60)
        kept += ops.convert_to_numpy(index)[ops.convert_to_numpy(used)].tolist()
    kept.sort(key=lambda index: -scores[index])
    assert suppress_by_class(boxes, scores, class_ids, 0.3) == kept


def test_class_nms_keeps_the_same_box_of_every_class():
    boxes = np.tile(np.float32([[0, 0, 1024, 1024]]), (81, 1))
    assert suppress_by_class(boxes, np.linspace(1, 0.5, 81), np.arange(81), 0.3, max_outputs=81) == list(range(81))


def test_class_nms_with_edges_left_of_zero():
    boxes = [[-90, -90, 10, 10], [-90, -90, 10, 10], [0, 0, 10, 10]]
    assert suppress_by_class(boxes, [0.9, 0.8, 0.7], [0, 1, 1], 0.005) == [0, 1]  # 100 / 10000 = .01 overlap


def test_class_nms_ignores_what_lies_in_invalid_slots():
    boxes = [[0, 0, 10, 10], [np.nan, np.inf, 1e30, 0], [0, 0, 10, 10]]
    assert suppress_by_class(boxes, [0.9, 0.8, 0.7], [1, 99999, 1], 0.5, valid=[True, False, True]) == [0]
    assert suppress_by_class([], [], [], 0.5, max_outputs=3) == []


def test_class_nms_moves_an_edge_by_less_than_a_quarter_of_a_thousandth_of_a_pixel():
    rng = np.random.default_rng(0)
    boxes = rng.uniform(0, 1024, (5000, 4)).astype(np.float32)
    boxes[0] = 1024
    class_ids = (np.arange(5000) % 81).astype(np.float32)
    offsets = np.asarray(nms._cell_offsets(ops.convert_to_tensor(class_ids), np.float32(9), np.float32(1025)))
    moved = boxes + offsets
    error = np.abs(moved.astype(np.float64) - (boxes.astype(np.float64) + offsets))
    assert np.abs(moved).max() < 5.5 * 1025
    assert error.max() <= 2.0**-12


def test_nms_of_a_known_batch_has_no_loop():
    tf = pytest.importorskip("tensorflow")

    def operations(batch):
        boxes, scores = tf.TensorSpec((batch, 5, 4)), tf.TensorSpec((batch, 5))
        valid = tf.TensorSpec((batch, 5), tf.bool)
        run = tf.function(lambda *inputs: nms.nms(*inputs, iou_threshold=0.5, max_outputs=3))
        return [operation.type for operation in run.get_concrete_function(boxes, scores, valid).graph.get_operations()]

    assert "While" in " ".join(operations(None))
    assert "While" not in " ".join(operations(2))
    assert operations(2).count("NonMaxSuppressionV4") == 2
