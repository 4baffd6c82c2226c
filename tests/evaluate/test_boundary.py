"""Boundary AP; sizes of boundaries and overlaps are counted by hand."""

import math

import numpy as np
import pytest
from faster_coco_eval.core import mask as rle_tools

from mrcnn.evaluate import boundary, coco
from mrcnn.structures import GroundTruth
from tests.evaluate.test_coco import make_detections, make_instances

SIZE = (60, 80)  # a diagonal of 100 pixels: boundaries are 2 pixels wide


def encode(mask):
    return coco.encode_masks([np.asarray(mask, bool)])[0]


def square(top, left, side, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def score(instances, detections, num_classes=3):
    evaluator = boundary.BoundaryEvaluator(num_classes)
    evaluator.add(0, GroundTruth(*SIZE, instances), detections)
    return evaluator.result()


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(60, 80, 2), (480, 640, 16), (10, 10, 1), (1, 1, 1), (1080, 1920, 44)]
)
def test_boundary_width_is_2_percent_of_the_diagonal(height, width, expected):
    # 100 -> 2; 800 -> 16; 14.1 -> 0.28, at least 1; 2202.9 -> 44.06
    assert boundary.boundary_width(height, width) == expected


def test_boundary_is_the_rim_of_the_mask():
    found = rle_tools.decode(boundary.boundary(encode(square(10, 20, 12))))
    expected = square(10, 20, 12) & ~square(12, 22, 8)
    np.testing.assert_array_equal(found, expected)
    assert found.sum() == 144 - 64


def test_boundary_includes_the_images_border_and_the_rims_of_holes():
    mask = square(0, 0, 12)
    mask[6, 6] = False
    found = rle_tools.decode(boundary.boundary(encode(mask)))
    inside = square(2, 2, 8)
    inside[4:9, 4:9] = False  # within 2 pixels of the hole
    np.testing.assert_array_equal(found, mask & ~inside)


def test_boundary_of_thin_and_empty_masks():
    np.testing.assert_array_equal(rle_tools.decode(boundary.boundary(encode(square(5, 5, 4)))), square(5, 5, 4))
    assert rle_tools.area([boundary.boundary(encode(np.zeros(SIZE)))]).tolist() == [0]


@pytest.mark.parametrize("size", [(37, 53), (150, 200)])
def test_boundary_equals_that_of_the_library_on_whole_images(size):
    random = np.random.default_rng(0)
    for _ in range(5):
        mask = np.kron(random.uniform(size=(5, 5)) > 0.4, np.ones((size[0] // 5, size[1] // 5), bool))
        mask = encode(np.pad(mask, [(0, size[0] - mask.shape[0]), (0, size[1] - mask.shape[1])]))
        np.testing.assert_array_equal(
            rle_tools.decode(boundary.boundary(mask)), rle_tools.decode(rle_tools.rleToBoundary(mask))
        )


def test_boundary_evaluator_scores_by_the_smaller_overlap():
    # a square of 40 pixels, found 1 pixel too large on all sides, 42:
    # IoU 1600 / 1764 = 0.907; rims 1600 - 36 * 36 = 304 and 1764 - 38 * 38 = 320. The outer ring of 164 pixels is in
    # the found rim alone, its inner ring of 156 is in both, the object's inner one of 148 in its own alone:
    # 156 / (304 + 320 - 156) = 0.333, below all thresholds
    truth, found = make_instances([[10, 10, 50, 50]], [1]), make_detections([[9, 9, 51, 51]], [1], [0.9])
    result = score(truth, found)
    assert result["boundary_ap50"] == result["boundary_ap"] == 0.0
    evaluator = coco.CocoEvaluator(3)
    evaluator.add(0, GroundTruth(*SIZE, truth), found)
    assert evaluator.result()["mask_ap"] == pytest.approx(0.9)  # 0.50 to 0.90
    # of objects that are rims themselves the overlap is the usual one: 16 / 25 = 0.64, so 0.50, 0.55 and 0.60
    small = score(make_instances([[10, 10, 14, 14]], [1]), make_detections([[10, 10, 15, 15]], [1], [0.9]))
    assert small["boundary_ap"] == pytest.approx(0.3)
    assert small["boundary_ap50"] == 1.0


def test_boundary_evaluator_perfect_predictions_score_one_and_unseen_classes_nothing():
    boxes = [[0, 0, 10, 20], [20, 40, 60, 80]]
    result = score(make_instances(boxes, [1, 1]), make_detections(boxes, [1, 1], [0.9, 0.8]))
    assert result["boundary_ap"] == result["boundary_ap75"] == result["boundary_ap_small"] == 1.0
    assert math.isnan(result["boundary_ap_large"])
    assert math.isnan(result["per_class"][2]["boundary_ap"])
    assert not any(name.startswith(("box", "mask")) for name in result)
    assert not {"objects", "detections"} & result["per_class"][1].keys()


def test_boundary_evaluator_of_a_crowd_takes_the_usual_overlap():
    # the detection lies in the crowd, far from its boundary: it is ignored, not a false positive
    truth = make_instances([[0, 0, 10, 10], [20, 20, 60, 70]], [1, 1], [False, True])
    result = score(truth, make_detections([[0, 0, 10, 10], [30, 30, 45, 45]], [1, 1], [0.5, 0.9]))
    assert result["boundary_ap"] == 1.0


def test_boundary_evaluator_without_objects_detections_or_images():
    assert score(make_instances([[0, 0, 10, 10]], [1]), make_detections([], [], []))["boundary_ap"] == 0.0
    assert math.isnan(score(make_instances([], []), make_detections([[0, 0, 5, 5]], [1], [0.9]))["boundary_ap"])
    assert math.isnan(boundary.BoundaryEvaluator(2).result()["boundary_ap"])


def test_kind_scores_as_many_detections_as_the_model_may_find():
    made = [boundary.KIND.make(("bg", "a"), max_detections=most, class_facts={}) for most in (10, 300)]
    assert [evaluator.max_detections for evaluator in made] == [100, 300]
    assert [evaluator.num_classes for evaluator in made] == [2, 2]
