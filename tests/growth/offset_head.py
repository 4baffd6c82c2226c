"""A toy head: where the mark of an object lies, seen from the centre of its box.

Everything about it is in this file: its field, network, targets, loss, decoding and its place in the public tables.
"""

from typing import NamedTuple

import cv2
import keras
import numpy as np
from keras import ops

from mrcnn.fields.field import Field
from mrcnn.fields.table import FIELDS
from mrcnn.heads.head import Across, Head
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.models.extra_heads import HEADS, HeadType
from mrcnn.structures import RoiTargets, Tensor

NAME = "offset"


class OffsetField(Field):
    """A vector from the centre of an object's box, (dy, dx) pixels."""

    name = NAME
    shape = (2,)

    def transformed(self, values, *, scale, shift):
        return values * scale

    def draw(self, picture, values, boxes):
        drawn = picture.copy()
        for (dy, dx), (y1, x1, y2, x2) in zip(values, boxes, strict=True):
            place = np.array([(x1 + x2) / 2 + dx, (y1 + y2) / 2 + dy])
            inside = np.clip(place, 0, np.array(drawn.shape[1::-1]) - 1)  # of an untrained head it lies anywhere
            cv2.circle(drawn, tuple(np.round(inside).astype(int).tolist()), 3, (255, 0, 255), -1)
        return drawn


class OffsetOutputs(NamedTuple):
    """Predictions and targets `[P, 2]` for P object regions, in units of the regions' sides, and weights `[P]`."""

    predicted: Tensor
    target: Tensor
    weight: Tensor


class Offsets(Head):
    """One dense layer on a region's features."""

    loss_names = ("mrcnn_offset_loss",)
    needs = (NAME,)
    gives = (NAME,)

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.features = RoiFeatures(output_size=3)
        self.dense = keras.layers.Dense(2, name="mrcnn_offset")

    def build(self, input_shape):
        self.dense.build((None, 9 * input_shape[-1]))

    def outputs(self, pyramid, regions: RoiTargets, batch, *, image_size, training):
        slots, objects = regions.class_ids.shape[1], batch["gt_boxes"].shape[1]
        image = ops.arange(ops.shape(regions.class_ids)[0])[:, None] * objects
        source = ops.reshape(image + regions.matched_idx, (-1,))
        rois = ops.reshape(regions.rois, (-1, 4))
        boxes = ops.take(ops.reshape(batch["gt_boxes"], (-1, 4)), source, axis=0)
        marks = _centres(boxes) + ops.take(ops.reshape(batch["gt_offset"], (-1, 2)), source, axis=0)
        target = (marks - _centres(rois)) / ops.maximum(_sides(rois), 1.0)
        index = ops.arange(ops.shape(rois)[0], dtype="int32") // slots
        weight = ops.cast(ops.reshape(regions.class_ids, (-1,)) > 0, "float32")
        return OffsetOutputs(self._predict(pyramid, rois, index, image_size), target, weight)

    def losses(self, outputs: OffsetOutputs, *, across: Across):
        error = ops.sum(ops.abs(outputs.predicted - outputs.target), axis=-1) * outputs.weight
        return {"mrcnn_offset_loss": ops.sum(error) / ops.maximum(across(ops.sum(outputs.weight)), 1.0)}

    def decode(self, pyramid, boxes, class_ids, *, valid, image_size):
        flat = ops.reshape(boxes, (-1, 4))
        index = ops.arange(ops.shape(flat)[0], dtype="int32") // boxes.shape[1]
        offsets = self._predict(pyramid, flat, index, image_size) * _sides(flat)
        return {NAME: ops.where(valid[..., None], ops.reshape(offsets, (-1, boxes.shape[1], 2)), 0.0)}

    def _predict(self, pyramid, rois, index, image_size):
        features = self.features(pyramid, rois, index, image_size=image_size)
        return self.dense(ops.reshape(features, (-1, 9 * features.shape[-1])))


def _centres(boxes):
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _sides(boxes):
    return boxes[:, 2:] - boxes[:, :2]


def build(settings, *, num_classes, feature_dtype):
    """Builds the head; see `HeadType.build`."""
    return Offsets(name="offsets")


def register(monkeypatch):
    """Adds the field and the head to the public tables for the duration of a test."""
    monkeypatch.setitem(FIELDS, NAME, OffsetField())
    monkeypatch.setitem(HEADS, NAME, HeadType(Offsets, build))
