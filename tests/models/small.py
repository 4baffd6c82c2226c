"""A small Mask R-CNN with all of its layers, and a batch of noise for it."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models.families.matterport import build_layers
from mrcnn.models.mask_rcnn import MaskRCNN, Numbers
from mrcnn.structures import Batch, Choices

SIDE, SLOTS, CHANNELS = 128, 4, 8
SETTINGS = {
    "anchor_sizes": (16, 32, 64, 96, 128),
    "fpn_channels": CHANNELS,
    "rpn_channels": CHANNELS,
    "box_fc_channels": CHANNELS,
    "pre_nms_topk": 40,
    "post_nms_topk_train": 30,
    "post_nms_topk": 20,
    "roi_samples": 12,
    "roi_positive_fraction": 0.5,
    "detections_per_image": 6,
    "score_threshold": 0.0,
}
WIDTHS = (8, 8, 8, 8)


class Strided(layers.Layer):
    """Four convolutions whose strides are those of C2 to C5."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(WIDTHS[0], 3, strides=2, padding="same", activation="relu")
        self.steps = [layers.Conv2D(width, 3, strides=2, padding="same", activation="relu") for width in WIDTHS]

    def build(self, input_shape):
        self.stem.build(input_shape)
        for step in self.steps:
            step.build((None, None, None, WIDTHS[0]))
        self.built = True

    def call(self, images, training=False):
        maps = [self.stem(images)]
        for step in self.steps:
            maps.append(step(maps[-1]))
        return maps[1:]


HOURGLASS = {"mask_head": "hourglass20", "mask_pool_size": 8, "mask_train_boxes": "ground_truth"}
POINTREND = {"mask_head": "pointrend", "mask_pool_size": 4}
POINTS = {"mask_supervision": "points"}


def build_model(**settings):
    keras.utils.set_random_seed(0)
    config = MatterportConfig(**{**SETTINGS, **settings})
    parts = build_layers(config, num_classes=3, feature_dtype="float32")._replace(backbone=Strided())
    return MaskRCNN(
        parts,
        Numbers(
            image_mean=(120.0, 120.0, 120.0),
            map_channels=(WIDTHS, CHANNELS),
            post_nms_topk_train=config.post_nms_topk_train,
            post_nms_topk=config.post_nms_topk,
            choices=Choices(score_threshold=0.0, detections_per_image=config.detections_per_image),
        ),
    )


def make_batch():
    """Two images of noise: with two objects and without any."""
    rng = np.random.default_rng(0)
    boxes = np.zeros((2, SLOTS, 4), "float32")
    boxes[0, :2] = [[16, 16, 64, 64], [60, 70, 110, 120]]
    valid = np.array([[True, True, False, False], [False] * SLOTS])
    fields = Batch(
        images=rng.uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32"),
        windows=np.array([[0, 0, SIDE, SIDE]] * 2, "float32"),
        gt_boxes=boxes,
        gt_class_ids=(valid * np.array([1, 2, 0, 0])).astype("int32"),
        gt_masks=rng.integers(0, 256, (2, SLOTS, 16, 16)).astype("uint8"),
        gt_valid=valid,
        gt_ignore=np.zeros_like(valid),
        neutral=np.zeros((2, SIDE, SIDE), bool),
        image_ids=np.arange(2, dtype="int32"),
        seeds=np.array([3, 4], "int32"),
    )
    points = rng.uniform(16, 64, (2, SLOTS, 10, 3)).astype("float32")
    points[..., 2] = np.arange(10) % 3 - 1  # of the object, of the background and none
    return {name: tf.constant(value) for name, value in {**fields._asdict(), "gt_mask_points": points}.items()}


def training_step(model, batch):
    """Computes the losses and gradients of a batch, the gradients dense."""
    with tf.GradientTape() as tape:
        total, parts = model.losses_of(model(batch, training=True))
    gradients = tape.gradient(total, model.trainable_variables)
    return {"loss": total, **parts}, [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
