"""The mean IoU of objects with what was found of them."""

import math

import numpy as np
import pytest

from benchmarks.mean_iou import mean_iou
from mrcnn.data.rasterize import from_masks
from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.structures import GroundTruth
from tests.predict import helpers

SIZE = (40, 60)


def seen(objects, boxes, scores, *, class_ids=None, ignore=None):
    """Collects an image of objects that fill their boxes, and detections that do."""
    truth = from_masks(
        masks=[np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in objects],
        corners=[box[:2] for box in objects],
        class_ids=[1] * len(objects),
        ignore=ignore or [False] * len(objects),
    )
    collector = Collector()
    found = helpers.make_detections(boxes, ["cat"] * len(boxes), scores, size=SIZE, ids=class_ids or [1] * len(boxes))
    collector.add(0, GroundTruth(*SIZE, truth), found)
    return collector.images


def test_mean_iou_is_that_of_the_best_scored_detection_and_0_of_a_missed_object():
    objects = [[0, 0, 10, 10], [20, 20, 30, 40]]
    # the first is found by half (50 / 100); the exact box scores less and is a duplicate; the second is missed
    images = seen(objects, [[0, 0, 10, 5], [0, 0, 10, 10]], [0.9, 0.8])
    assert mean_iou(images) == pytest.approx({"box_iou": 0.25, "mask_iou": 0.25})


def test_mean_iou_of_several_images_counts_objects():
    images = seen([[0, 0, 10, 10]], [[0, 0, 10, 10]], [0.9]) + seen([[0, 0, 10, 10], [20, 20, 30, 30]], [], [])
    assert mean_iou(images)["box_iou"] == pytest.approx(1 / 3)


def test_mean_iou_below_the_least_overlap_or_of_another_class_is_0():
    assert mean_iou(seen([[0, 0, 10, 10]], [[0, 0, 10, 2]], [0.9]))["box_iou"] == 0.0  # 20 / 100
    assert mean_iou(seen([[0, 0, 10, 10]], [[0, 0, 10, 4]], [0.9]))["box_iou"] == pytest.approx(0.4)  # 40 / 100
    assert mean_iou(seen([[0, 0, 10, 10]], [[0, 0, 10, 10]], [0.9], class_ids=[2]))["box_iou"] == 0.0


def test_mean_iou_leaves_regions_to_ignore_out():
    images = seen([[0, 0, 10, 10], [20, 20, 30, 30]], [[0, 0, 10, 10]], [0.9], ignore=[False, True])
    assert mean_iou(images)["mask_iou"] == 1.0


def test_mean_iou_without_objects_is_nan():
    assert all(math.isnan(value) for value in mean_iou(seen([], [], [])).values())
