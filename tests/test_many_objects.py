"""An image may have more than 100 objects where the config says so: in training, detection and evaluation."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import speed
from mrcnn.data import batching
from mrcnn.evaluate.coco import CocoEvaluator
from mrcnn.models.families.matterport import Matterport
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Detections, GroundTruth, Instances
from tests.predict import helpers

MANY = 500
SIDE, PITCH, SQUARE = 192, 8, 6  # a grid of 24 x 24 squares fits


@pytest.fixture(scope="module")
def model():
    settings = {
        "backbone": "resnet50",
        "fpn_channels": 8,
        "rpn_channels": 8,
        "box_fc_channels": 4,
        "post_nms_topk": 600,
        "post_nms_topk_train": 100,
        "rpn_nms_iou_threshold": 1.0,
        "detection_nms_iou_threshold": 1.0,
        "detections_per_image": MANY,
        "score_threshold": 0.0,
        "max_gt_instances": MANY,
        "gt_mask_size": 14,
        "roi_samples": 600,
        "roi_positive_fraction": 1.0,
    }
    return Matterport(num_classes=3, settings=settings)


def squares():
    places = np.arange(MANY)
    corners = np.stack([places // 24, places % 24], axis=1) * PITCH
    boxes = np.concatenate([corners, corners + SQUARE], axis=1).astype(np.float32)
    masks = tuple(np.ones((SQUARE, SQUARE), bool) for _ in range(MANY))
    return Instances(boxes, np.ones(MANY, np.int32), masks, np.zeros(MANY, bool), {})


def test_make_example_holds_500_objects():
    shapes = batching.Shapes(SIDE, SIDE, 3, MANY, 14)
    example = batching.make_example(np.zeros((SIDE, SIDE, 3), np.uint8), squares(), shapes=shapes, image_id=0, seed=0)
    assert example["gt_valid"].sum() == MANY
    assert len(np.unique(example["gt_boxes"], axis=0)) == MANY


def test_sampled_regions_train_500_objects(model):
    batch = speed.noise_batch(speed.Case("resnet50", (SIDE, SIDE)), model.settings, objects=MANY)
    batch["gt_boxes"] = tf.constant(squares().boxes[None])
    targets = model(batch, training=True).box.targets
    objects = targets.valid.numpy() & (targets.class_ids.numpy() > 0)
    # each object's own box is a region, and all regions with an object fit into the 600 samples
    assert set(targets.matched_idx.numpy()[objects]) == set(range(MANY))


def test_predict_finds_500_objects(model):
    bundle = helpers.make_bundle(
        model, max_dim=128, detections_per_image=MANY, score_threshold=0.0, mask_threshold=1e-6,
        detection_nms_iou_threshold=1.0,
    )  # fmt: skip
    [found] = Predictor(bundle).predict_compact([np.full((128, 128, 3), 200, np.uint8)])
    assert len(found.scores) == MANY


def test_evaluation_counts_500_objects():
    objects = squares()
    masks = np.zeros((MANY, SIDE, SIDE), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, objects.boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    scores = np.linspace(0.9, 0.5, MANY).astype(np.float32)
    evaluator = CocoEvaluator(2, max_detections=MANY)
    found = Detections(objects.boxes, objects.class_ids, ("a",) * MANY, scores, masks)
    evaluator.add(0, GroundTruth(SIDE, SIDE, objects), found)
    found = evaluator.result()
    assert (found["box_ap"], found["mask_ap"]) == (pytest.approx(1.0), pytest.approx(1.0))
