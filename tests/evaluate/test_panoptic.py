"""The panoptic metric: from annotations and detections to segments and measures."""

import math

import numpy as np
import pytest

from mrcnn.evaluate import coco, panoptic, table
from mrcnn.evaluate.panoptic_quality import Part
from mrcnn.structures import UNLABELLED, Detections, GroundTruth, Instances, SemanticRules

NAMES = ("bg", "cat", "dog")
SKY, ROAD = 1, 2
RULES = SemanticRules(("sky", "road"), stuff_area=2)
MAPS = {"semantic": RULES}


def ground_truth(semantic, *objects):
    """Makes an image of one row with objects (first column, last column, class id, ignore)."""
    boxes = np.float32([(0, first, 1, last) for first, last, _, _ in objects]).reshape(-1, 4)
    masks = tuple(np.ones((1, last - first), bool) for first, last, _, _ in objects)
    instances = Instances(
        boxes,
        np.array([item[2] for item in objects], int),
        masks,
        np.array([item[3] for item in objects], bool),
        maps={"semantic": np.uint8([semantic])},
    )
    return GroundTruth(1, len(semantic), instances)


def detections(semantic, *objects):
    """Makes detections (first column, last column, class id, score)."""
    masks = np.zeros((len(objects), 1, len(semantic)), bool)
    for mask, (first, last, _, _) in zip(masks, objects, strict=True):
        mask[0, first:last] = True
    ids = np.array([item[2] for item in objects], int)
    scores = np.float32([item[3] for item in objects])
    boxes = np.float32([(0, first, 1, last) for first, last, _, _ in objects]).reshape(-1, 4)
    names = tuple(NAMES[index] for index in ids)
    return Detections(boxes, ids, names, scores, masks, maps={"semantic": np.uint8([semantic])})


def result(truth, found):
    evaluator = panoptic.PanopticEvaluator(NAMES, max_detections=100, maps=MAPS)
    evaluator.add(0, truth, found)
    return evaluator.result()


TRUTH = ground_truth([0, 0, 0, 0, SKY, SKY, SKY, SKY, ROAD, ROAD], (0, 2, 1, False), (2, 4, 2, False))


def test_perfect_results():
    found = detections([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], (0, 2, 1, 0.9), (2, 4, 2, 0.8))
    measures = result(TRUTH, found)
    assert {value for name, value in measures.items() if name != "per_class"} == {1.0}
    assert measures["per_class"][4] == {"objects": 1, "detections": 1, "pq": 1, "sq": 1, "rq": 1, "semantic_iou": 1}
    assert measures["per_class"][1] == {"pq": 1, "sq": 1, "rq": 1}


def test_measures_of_things_and_stuff():
    # the cat is found; the dog is not; of 4 pixels of sky 3 are found; the road is taken for sky
    found = detections([0, 0, 0, 0, 0, 1, 1, 1, 1, 1], (0, 2, 1, 0.9))
    measures = result(TRUTH, found)
    assert measures["pq_things"] == pytest.approx((1 + 0) / 2)
    # sky: 3 in both, 4 + 5 - 3 = 6 in either: IoU 1/2 is no match
    assert measures["pq_stuff"] == 0
    assert measures["pq"] == pytest.approx((1 + 0 + 0 + 0) / 4)
    # things 4 of 4 + 1, sky 3 of 6, road 0 of 2
    assert measures["semantic_iou"] == pytest.approx((4 / 5 + 3 / 6 + 0) / 3)
    assert measures["per_class"][3]["semantic_iou"] == pytest.approx(0.5)
    assert measures["per_class"][4] == {"objects": 1, "detections": 0, "pq": 0, "sq": 0, "rq": 0, "semantic_iou": 0}


def test_masks_may_be_run_lengths():
    found = detections([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], (0, 2, 1, 0.9), (2, 4, 2, 0.8))
    assert result(TRUTH, found._replace(masks=coco.encode_masks(found.masks)))["pq"] == 1.0


def test_images_without_anything():
    measures = result(ground_truth([UNLABELLED] * 3), detections([0, 0, 0]))
    assert math.isnan(measures["pq"])
    assert math.isnan(measures["semantic_iou"])


def test_true_segments_of_overlapping_objects():
    # the dog comes later and is above the cat, both are above the sky; 255 belongs to nothing
    truth = ground_truth([SKY, 0, 0, 0, 0, UNLABELLED], (1, 4, 1, False), (3, 5, 2, False))
    ids, parts = panoptic.true_segments(truth, classes=3)
    assert ids.tolist() == [[1, 2, 2, 3, 3, 0]]
    assert parts == [Part(3), Part(1), Part(2)]


def test_true_segments_of_groups_and_neutral_objects():
    # a group of cats in 0..3 below a cat in 1..2, neutral pixels in 3..5 of the sky
    truth = ground_truth([0, 0, 0, SKY, SKY, SKY], (1, 2, 1, False), (0, 3, 1, True), (3, 5, 0, True))
    ids, parts = panoptic.true_segments(truth, classes=3)
    assert ids.tolist() == [[2, 3, 2, 0, 0, 1]]
    assert parts == [Part(3), Part(1, is_crowd=True), Part(1)]


def test_the_metric_is_computed_for_models_with_a_semantic_map():
    assert panoptic.KIND in table.kinds_for((), maps=("semantic",))
    assert panoptic.KIND not in table.kinds_for(())
