"""Networks of a few lines in place of a model, with the two halves that test-time augmentation needs."""

import numpy as np
import tensorflow as tf

from mrcnn.structures import RawDetections

POINTS = {"names": ["left", "right"]}


class Halves:
    """A network of two functions: `find(images, windows)` and `describe(images, windows, boxes)`."""

    weights, compute_dtype = (), "float32"

    def use_fixed_slots(self, fixed):
        pass

    def __init__(self, find, describe):
        self.find, self.describe = find, describe
        self.found, self.described = [], []  # shapes of the images in each pass

    def __call__(self, batch, *, choices):
        found = self.detect_boxes(batch, choices=choices)
        fields = self.describe_boxes(batch, boxes=found.boxes, class_ids=found.class_ids, valid=found.valid)
        return found._replace(masks=fields.pop("masks"), extras=fields)

    def detect_boxes(self, batch, *, choices):
        images = self._noted(batch["images"], self.found)
        found = self.find(images, batch["windows"])
        return found._replace(valid=found.valid & (found.scores >= choices.score_threshold))

    def describe_boxes(self, batch, *, boxes, class_ids, valid):
        return dict(self.describe(self._noted(batch["images"], self.described), batch["windows"], boxes))

    def _noted(self, images, notes):
        def note(values):
            notes.append(values.shape)
            return values

        noted = tf.numpy_function(note, [images], tf.float32)
        noted.set_shape(images.shape)
        return noted


def detections(boxes, class_ids, scores, valid=None):
    """Makes raw detections of tensors `[B, D, ...]`; `class_ids` is a list of D."""
    count = tf.shape(boxes)[0]
    scores = tf.cast(scores, tf.float32)
    return RawDetections(
        boxes=boxes,
        class_ids=tf.tile([class_ids], [count, 1]),
        scores=scores,
        valid=tf.ones_like(scores, tf.bool) if valid is None else valid,
        masks=tf.ones([count, len(class_ids), 1, 1]),
    )


def shares(*rows):
    """Makes a `find` whose boxes are shares (y1, x1, y2, x2) of the window, each row with a class and a score."""
    values = np.array(rows, np.float32)
    places, class_ids, scores = values[:, :4], values[:, 4].astype(np.int32).tolist(), values[:, 5]

    def find(images, windows):
        low, sides = windows[:, None, :2], windows[:, None, 2:] - windows[:, None, :2]
        boxes = tf.concat([low, low], -1) + tf.concat([sides, sides], -1) * places
        return detections(boxes, class_ids, tf.tile(scores[None], [tf.shape(images)[0], 1]))

    return find


def left_block(images, windows):
    """Finds the box of the bright pixels in the left half of each window; no object where there are none."""
    middle = (windows[:, 1] + windows[:, 3]) / 2
    columns = tf.cast(tf.range(tf.shape(images)[2]), tf.float32)
    bright = (images[..., 0] > 127) & (columns[None, None] < middle[:, None, None])
    edges = []
    for axis in (2, 1):
        lines = tf.cast(tf.reduce_any(bright, axis), tf.int32)
        length = tf.shape(lines)[1]
        edges.append((tf.argmax(lines, 1, tf.int32), length - tf.argmax(lines[:, ::-1], 1, tf.int32)))
    (y1, y2), (x1, x2) = edges
    boxes = tf.cast(tf.stack([y1, x1, y2, x2], axis=-1), tf.float32)[:, None]
    return detections(boxes, [1], tf.fill([tf.shape(images)[0], 1], 0.9), tf.reduce_any(bright, (1, 2))[:, None])


def constant(masks, **fields):
    """Makes a `describe` that predicts the same of every box: `masks` `[M, M]` and fields `[...]`."""

    def describe(images, windows, boxes):
        found = {}
        for name, value in {"masks": masks, **fields}.items():
            value = tf.constant(value, tf.float32)
            found[name] = tf.tile(value[None, None], [tf.shape(boxes)[0], boxes.shape[1], *[1] * len(value.shape)])
        return found

    return describe


def of_boxes(images, windows, boxes):
    """Describes boxes by their numbers, so that boxes that differ in the last bit differ in what they give."""
    waves = tf.sin(boxes * 1000.0)
    masks = tf.sigmoid(3.0 * (waves[..., :, None] + waves[..., None, ::-1]) + 1.0)
    points = tf.stack([boxes[..., 1:2], boxes[..., 0:1], 0.3 + 0.2 * waves[..., :1]], axis=-1)
    return {"masks": masks, "keypoints": tf.concat([points, 0.9 * points], axis=2)}
