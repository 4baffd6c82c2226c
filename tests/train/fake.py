"""A model of two small layers with the methods of `MaskRCNN` that training calls."""

import importlib
from typing import ClassVar

import keras
import numpy as np
from keras import ops

from mrcnn.ops import reduction
from mrcnn.structures import RawDetections

LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")
SIDE = 8


class FakeMaskRCNN(keras.Model):
    """Pulls box coordinates of the valid slots towards the truth, with one loss for each of five outputs."""

    layer_patterns: ClassVar = {"heads": "mrcnn_.*", "all": ".*"}
    class_layers = ("mrcnn_class_logits",)

    def __init__(self, *, num_classes=3, side=SIDE):
        super().__init__(name="fake")
        self.loss_names, self.loss_labels = LOSSES, {"rpn_class_loss": "RPN class"}
        self.num_classes, self.side = num_classes, side
        self.conv1 = keras.layers.Conv2D(4, 3, strides=2, name="conv1")
        self.logits = keras.layers.Dense(num_classes * 5, name="mrcnn_class_logits")
        self.trackers = [keras.metrics.Mean(name=name) for name in (*LOSSES, "l2_loss")]
        self.replica_sum, self.num_replicas = reduction.identity, 1
        self.conv1.build((None, side, side, 3))
        self.logits.build((None, 4))
        self.built = True

    def weight_layout(self):
        return [
            (layer.name, [(f"{layer.name}/{weight.name}:0", weight) for weight in layer.weights])
            for layer in (self.conv1, self.logits)
        ]

    def call(self, batch, training=False):
        features = ops.mean(ops.relu(self.conv1(batch["images"] / 255.0)), axis=(1, 2))
        return ops.reshape(self.logits(features), (-1, 5, self.num_classes))

    def losses_of(self, outputs):
        raise NotImplementedError("the losses here need the batch")

    def losses_with(self, batch, outputs):
        outputs = ops.cast(outputs, "float32")
        valid = ops.cast(batch["gt_valid"], "float32")
        target = ops.sum(batch["gt_boxes"][..., 0] * valid, axis=1) / self.side
        parts = {}
        for index, name in enumerate(LOSSES):
            error = ops.square(outputs[:, index, 1] - target) * (index + 1)
            parts[name] = reduction.weighted_mean(error, ops.max(valid, axis=1), across=self.replica_sum)
        weights = [ops.mean(ops.square(ops.convert_to_tensor(v))) for v in self.trainable_variables]
        parts["l2_loss"] = 1e-2 * sum(weights) / self.num_replicas
        return sum(parts.values()), parts

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        total, parts = self.losses_with(x, y_pred)
        for tracker in self.trackers:
            tracker.update_state(parts[tracker.name] * self.num_replicas)
        return total

    def validate(self, batch):
        total, parts = self.losses_with(batch, self(batch))
        count = ops.shape(batch["images"])[0]
        boxes = batch["gt_boxes"][:, :2]
        masks = ops.ones((count, 2, 4, 4))
        valid = batch["gt_valid"][:, :2]
        class_ids = ops.where(valid, batch["gt_class_ids"][:, :2], 0)
        return {"loss": total, **parts}, RawDetections(boxes, class_ids, ops.cast(valid, "float32"), valid, masks)


def compiled(lr=0.01):
    """Builds a model that fits without tracing a graph, which is faster for a few steps."""
    model = FakeMaskRCNN()
    model.compile(optimizer=keras.optimizers.SGD(lr), run_eagerly=True, jit_compile=False)
    return model


def make_batch(index, *, size=4, side=SIDE, slots=3):
    random = np.random.default_rng(index)
    return {
        "images": random.uniform(0, 255, (size, side, side, 3)).astype(np.float32),
        "windows": np.tile(np.float32([0, 0, side, side]), (size, 1)),
        "gt_boxes": random.uniform(0, side, (size, slots, 4)).astype(np.float32),
        "gt_class_ids": np.ones((size, slots), np.int32),
        "gt_masks": np.full((size, slots, 2, 2), 255, np.uint8),
        "gt_valid": random.random((size, slots)) > 0.5,
        "gt_ignore": np.zeros((size, slots), bool),
        "neutral": np.zeros((size, side, side), bool),
        "image_ids": np.arange(size, dtype=np.int32) + index * size,
        "seeds": np.arange(size, dtype=np.int32),
    }


def open_data(epoch, step, *, steps=3, size=4):
    """Makes an endless stream of TensorFlow in which batch n of epoch e is always the same."""
    tf = importlib.import_module("tensorflow")
    signature = {
        name: tf.TensorSpec(value.shape, tf.as_dtype(value.dtype)) for name, value in make_batch(0, size=size).items()
    }

    def generate():
        index = epoch * steps + step
        while True:
            yield make_batch(index, size=size)
            index += 1

    return tf.data.Dataset.from_generator(generate, output_signature=signature)
