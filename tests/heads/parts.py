"""The heads of a small model, for the tests of this folder."""

import keras
import numpy as np

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models.families.matterport import build_layers

SIDE = 64
CHANNELS = 8
SETTINGS = {
    "backbone": "resnet50",
    "anchor_sizes": (8, 16, 32, 48, 64),
    "fpn_channels": CHANNELS,
    "rpn_channels": CHANNELS,
    "box_fc_channels": CHANNELS,
    "post_nms_topk": 10,
    "roi_samples": 6,
    "detections_per_image": 4,
    "score_threshold": 0.0,
}


def build(**settings):
    """Returns the layers above the pyramid with their weights; 3 classes."""
    keras.utils.set_random_seed(0)
    parts = build_layers(MatterportConfig(**{**SETTINGS, **settings}), num_classes=3, feature_dtype="float32")
    shape = (None, None, None, CHANNELS)
    parts.rpn.build([shape] * 5)
    for head in (parts.box, *parts.heads.values()):
        head.build(shape)
    return parts


def pyramid(batch=1):
    """Returns noise for P2 to P6 of an input of `SIDE` pixels."""
    rng = np.random.default_rng(0)
    sides = [SIDE // 2**level for level in range(2, 7)]
    return [rng.normal(size=(batch, side, side, CHANNELS)).astype("float32") for side in sides]


def batch(boxes, class_ids):
    """Returns the annotated objects of one image, as fields of `Batch`; masks are full."""
    count = len(boxes)
    return {
        "gt_boxes": np.array([boxes], "float32").reshape(1, count, 4),
        "gt_class_ids": np.array([class_ids], "int32").reshape(1, count),
        "gt_masks": np.full((1, count, 8, 8), 255, "uint8"),
        "gt_valid": np.ones((1, count), bool),
        "gt_ignore": np.zeros((1, count), bool),
        "neutral": np.zeros((1, SIDE, SIDE), bool),
        "seeds": np.array([1], "int32"),
    }
