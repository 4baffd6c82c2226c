import numpy as np

from mrcnn.heads.box.decode import DetectionGenerator, Found
from mrcnn.structures import Choices, Proposals

WINDOW = np.array([[0, 0, 100, 100]], "float32")


def _call(boxes, probabilities, *, deltas=None, windows=WINDOW, valid=None, choices=None, **kwargs):
    boxes, probabilities = np.array([boxes], "float32"), np.array([probabilities], "float32")
    valid = np.ones(boxes.shape[:2], bool) if valid is None else np.array([valid])
    deltas = np.zeros((*probabilities.shape, 4), "float32") if deltas is None else deltas
    proposals = Proposals(boxes, np.ones(boxes.shape[:2], "float32"), valid)
    generator, logits = DetectionGenerator(**kwargs), np.log(probabilities + 1e-30)
    found = generator(proposals, logits, deltas, windows=windows, choices=Choices(**(choices or {})))
    assert isinstance(found, Found)
    return [np.asarray(part)[0] for part in found]


def test_best_class_threshold_and_order():
    boxes, class_ids, scores, valid = _call(
        [[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]],
        [[0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.05, 0.9, 0.05]],
        choices={"detections_per_image": 3},
    )
    np.testing.assert_array_equal(class_ids, [1, 2, 0])  # the first region is background
    np.testing.assert_allclose(scores, [0.9, 0.8, 0], rtol=1e-6)
    np.testing.assert_array_equal(valid, [True, True, False])
    np.testing.assert_allclose(boxes, [[50, 50, 60, 60], [20, 20, 40, 40], [0, 0, 0, 0]], atol=1e-4)


def test_detection_generator_suppression_is_per_class():
    same = [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10]]
    _, class_ids, scores, valid = _call(
        same, [[0.1, 0.9, 0], [0.2, 0.8, 0], [0.25, 0, 0.75]], choices={"detections_per_image": 3}
    )
    np.testing.assert_array_equal(class_ids[valid], [1, 2])
    np.testing.assert_allclose(scores[valid], [0.9, 0.75], rtol=1e-6)


def test_deltas_of_the_best_class_and_the_window():
    deltas = np.zeros((1, 1, 3, 4), "float32")
    deltas[0, 0, 1] = [50, 0, 0, 0]  # never used: class 2 wins
    deltas[0, 0, 2] = [1, 0, 0, 0]
    boxes, *_ = _call([[0, 0, 10, 10]], [[0.1, 0.1, 0.8]], deltas=deltas, windows=np.array([[0, 2, 9, 100]], "float32"))
    np.testing.assert_allclose(boxes[0], [1, 2, 9, 10], atol=1e-4)


def test_detection_generator_empty_slots_and_boxes_outside_the_window_are_no_detections():
    certain = [[0.0, 1.0, 0.0]] * 2
    *_, valid = _call([[0, 0, 10, 10], [200, 200, 210, 210]], certain, valid=[False, True])
    assert not valid.any()


def test_a_region_can_be_found_as_every_class_that_scores_enough():
    probabilities = [[0.1, 0.5, 0.4], [0.8, 0.15, 0.05]]
    deltas = np.zeros((1, 2, 3, 4), "float32")
    deltas[0, 0, 2] = [1, 0, 0, 0]
    boxes, class_ids, scores, _ = _call(
        [[0, 0, 10, 10], [50, 50, 60, 60]],
        probabilities,
        deltas=deltas,
        classes="all",
        choices={"score_threshold": 0.1, "detections_per_image": 4},
    )
    np.testing.assert_array_equal(class_ids, [1, 2, 1, 0])  # 0.05 is too little, and background is none
    np.testing.assert_allclose(scores, [0.5, 0.4, 0.15, 0], rtol=1e-5)
    np.testing.assert_allclose(boxes[:3], [[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], atol=1e-3)
    best = _call([[0, 0, 10, 10], [50, 50, 60, 60]], probabilities, deltas=deltas, choices={"score_threshold": 0.1})
    np.testing.assert_array_equal(best[1][best[3]], [1])


def test_detection_generator_empty_slots_give_no_class():
    *_, valid = _call(
        [[0, 0, 10, 10]], [[0.0, 0.5, 0.5]], valid=[False], classes="all", choices={"score_threshold": 0.0}
    )
    assert not valid.any()


def test_detection_generator_suppression_across_classes():
    same = [[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]
    _, class_ids, _, valid = _call(same, [[0.1, 0.9, 0], [0.2, 0, 0.8], [0.1, 0, 0.9]], nms_scope="all")
    np.testing.assert_array_equal(class_ids[valid], [1, 2])


def test_detection_generator_boxes_are_whole_before_they_are_compared():
    # 0..10.4 and 4.6..15 overlap by 5.8 of 15; rounded 0..10 and 5..15 by 5 of 15, half to even like the original
    regions, certain = [[0, 0, 10.4, 10], [4.6, 0, 15, 10], [30.5, 0, 41.5, 10]], [[0.0, 1.0, 0.0]] * 3
    boxes, _, _, valid = _call(regions, certain, round_boxes=True, choices={"detection_nms_iou_threshold": 0.35})
    np.testing.assert_array_equal(boxes[valid], [[0, 0, 10, 10], [5, 0, 15, 10], [30, 0, 42, 10]])
    *_, valid = _call(regions, certain, choices={"detection_nms_iou_threshold": 0.35})
    assert valid.sum() == 2


def test_detection_generator_leaves_out_boxes_with_a_short_side():
    boxes = [[0, 0, 10, 10], [20, 20, 20.02, 40], [50, 50, 50.005, 60], [70, 70, 70, 90]]
    certain = [[0.0, 1.0]] * 4
    found = {}
    for least_side in (0.0, 0.01, 0.1):
        *_, valid = _call(boxes, certain, least_side=least_side, choices={"detections_per_image": 4})
        found[least_side] = int(valid.sum())
    # 0: all with an area; torchvision's 0.01: not the one of 0.005
    assert found == {0.0: 3, 0.01: 2, 0.1: 1}


def test_of_scores_uses_the_scores_as_they_are():
    proposals = Proposals(np.float32([[[0, 0, 10, 10]]]), np.ones((1, 1), "float32"), np.ones((1, 1), bool))
    found = DetectionGenerator(classes="all").of_scores(
        proposals, np.float32([[[0.5, 0.25, 0.125]]]), np.zeros((1, 1, 3, 4), "float32"), windows=WINDOW,
        choices=Choices(score_threshold=0.2, detections_per_image=2),
    )  # fmt: skip
    assert np.asarray(found.scores).tolist() == [[0.25, 0.0]]  # they need not add up to 1
    assert np.asarray(found.class_ids).tolist() == [[1, 0]]
