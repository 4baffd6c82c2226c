import numpy as np
import pytest

from mrcnn.heads.box import decode
from mrcnn.heads.box.decode import DetectionGenerator, Found
from mrcnn.structures import Choices, Proposals
from tests.traced import both

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


@pytest.mark.parametrize(("threshold", "kept"), [(0.3, 1), (0.42, 1), (0.43, 2), (0.5, 2)])
def test_detection_generator_suppression_is_above_the_threshold(threshold, kept):
    regions, scores = [[0, 0, 10, 10], [4, 0, 14, 10]], [[0.1, 0.9, 0], [0.2, 0.8, 0]]  # IoU 60 / 140 = 0.4286
    *_, valid = _call(regions, scores, choices={"detection_nms_iou_threshold": threshold})
    assert valid.sum() == kept


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


def test_class_scores_of_sigmoid_have_no_background():
    logits = np.float32([[[7.0, 0.0, np.log(3.0)]]])
    np.testing.assert_allclose(decode.class_scores(logits, scoring="sigmoid"), [[[0, 1 / 2, 3 / 4]]], rtol=1e-6)
    weights = np.exp([7.0, 0.0, np.log(3.0)])
    np.testing.assert_allclose(decode.class_scores(logits), [[weights / weights.sum()]], rtol=1e-5)


@pytest.mark.parametrize(("classes", "expected"), [("all", [2, 1]), ("best", [2, 0])])
def test_detection_generator_scores_by_sigmoid(classes, expected):
    region = Proposals(np.float32([[[0, 0, 10, 10]]]), np.ones((1, 1), "float32"), np.ones((1, 1), bool))
    logits = np.float32([[[50.0, 0.0, np.log(3.0)]]])  # the logit of the background has no effect
    found = DetectionGenerator(classes=classes, scoring="sigmoid")(
        region, logits, np.zeros((1, 1, 3, 4), "float32"), windows=WINDOW,
        choices=Choices(score_threshold=0.4, detections_per_image=2),
    )  # fmt: skip
    assert np.asarray(found.class_ids).tolist() == [expected]
    assert np.asarray(found.scores)[0, 0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("slots", "objects", "threshold", "scoring", "expected"),
    [
        (1000, 80, 0.05, "softmax", 80_000),  # few classes: all pairs
        (1000, 131, 0.0, "softmax", 131_000),
        (1000, 1203, 0.0001, "softmax", 131_072),
        (1000, 1203, 0.0, "softmax", 131_072),
        (1000, 1203, 0.05, "softmax", 20_000),  # a region has at most 20 classes of 0.05
        (1000, 1203, 0.7, "softmax", 1000),
        (1000, 1203, 0.3, "softmax", 3000),
        (1000, 1203, 0.7, "sigmoid", 131_072),
        (10, 50_000, 1.0, "softmax", 10),
    ],
)
def test_candidate_limit(slots, objects, threshold, scoring, expected):
    assert decode.candidate_limit(slots, objects, score_threshold=threshold, scoring=scoring) == expected


def _random(seed, *, images=2, regions=30, classes=6):
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (images, regions, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 40, (images, regions, 2))], axis=-1)
    valid = random.random((images, regions)) < 0.8
    scores = random.dirichlet(np.full(classes, 0.3), (images, regions)).round(2)  # many are equal
    deltas = random.normal(0, 1, (images, regions, classes, 4))
    proposals = Proposals(np.float32(boxes), np.ones((images, regions), "float32"), valid)
    return proposals, np.float32(scores), np.float32(deltas)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("threshold", "scoring"), [(0.3, "softmax"), (0.1, "softmax"), (0.3, "sigmoid")])
def test_of_scores_of_the_best_pairs_are_those_of_all_pairs(monkeypatch, seed, threshold, scoring):
    inputs = _random(seed)
    choices = Choices(score_threshold=threshold, detections_per_image=20)
    windows = np.float32([[0, 0, 80, 90], [5, 5, 70, 70]])

    def detect(proposals, valid, scores, deltas):
        generator = DetectionGenerator(classes="all", scoring=scoring)
        proposals = Proposals(proposals, np.ones((2, 30), "float32"), valid)
        return tuple(generator.of_scores(proposals, scores, deltas, windows=windows, choices=choices))

    arrays = (inputs[0].boxes, inputs[0].valid, *inputs[1:])
    every = both(detect, *arrays)
    assert every[3].sum() > 10
    monkeypatch.setattr(decode, "MOST_CANDIDATES", 149)  # one less than there are pairs
    pairs = (inputs[1][..., 1:] >= threshold).sum(axis=(1, 2)).max()
    limit = decode.candidate_limit(30, 5, score_threshold=threshold, scoring=scoring)
    assert pairs <= limit < 150
    for one, other in zip(every, both(detect, *arrays), strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_scores_uses_the_best_pairs_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(decode, "MOST_CANDIDATES", 2)
    regions = Proposals(
        np.float32([[[0, 0, 10, 10], [30, 30, 50, 50]]]), np.ones((1, 2), "float32"), np.array([[True, True]])
    )
    scores = np.float32([[[0.9, 0.3, 0.1], [0.2, 0.5, 0.4]]])
    deltas = np.zeros((1, 2, 3, 4), "float32")
    deltas[0, 1, 2] = [1, 0, 0, 0]  # 0.1 x 20 pixels down
    found = DetectionGenerator(classes="all").of_scores(
        regions, scores, deltas, windows=WINDOW, choices=Choices(score_threshold=0.0, detections_per_image=4)
    )
    assert np.asarray(found.class_ids).tolist() == [[1, 2, 0, 0]]
    np.testing.assert_allclose(found.scores, [[0.5, 0.4, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(found.boxes[0, :2], [[30, 30, 50, 50], [32, 30, 52, 50]], atol=1e-5)
