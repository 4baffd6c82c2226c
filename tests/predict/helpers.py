"""Small models and projects for the tests of this package."""

import json
from typing import ClassVar

import cv2
import numpy as np
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.model_folder.read import ModelBundle, StoredModel
from mrcnn.predict import compact
from mrcnn.predict.sources import Picture
from mrcnn.project.annotation import Annotation
from mrcnn.project.meta import ClassMeta
from mrcnn.structures import Choices, Detections, RawDetections

MASK_SIDE = 4


def brightness_model(batch):
    """Finds the whole window as class 1 with score = brightness, and its upper half as class 2 with half that score.

    The better one stands second, an unused slot last.
    """
    images, windows = batch["images"], batch["windows"]
    count = tf.shape(images)[0]
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    score = tf.reduce_sum(images, axis=(1, 2, 3)) / (255.0 * 3.0 * height * width)
    upper = tf.stack([windows[:, 0], windows[:, 1], windows[:, 0] + height / 2, windows[:, 3]], axis=1)
    return RawDetections(
        boxes=tf.stack([upper, windows, tf.zeros_like(windows)], axis=1),
        class_ids=tf.tile([[2, 1, 0]], [count, 1]),
        scores=tf.stack([score / 2, score, tf.zeros_like(score)], axis=1),
        valid=tf.tile([[True, True, False]], [count, 1]),
        masks=tf.ones([count, 3, MASK_SIDE, MASK_SIDE]),
    )


class Network:
    """A function in the place of a network: without weights and run-time choices, in float32."""

    weights, compute_dtype = (), "float32"

    def use_fixed_slots(self, fixed):
        pass

    def __init__(self, function):
        self.function = function

    def __call__(self, batch, *, choices=None):
        return self.function(batch)


class Thresholded(Network):
    """`brightness_model` with the run-time choices of a `MaskRCNN`."""

    def __init__(self, threshold):
        self.choices = Choices(score_threshold=threshold)

    def __call__(self, batch, *, choices=None):
        found = brightness_model(batch)
        return found._replace(valid=found.valid & (found.scores >= (choices or self.choices).score_threshold))


def make_bundle(model=brightness_model, *, max_dim=64, shape=None, names=("bg", "cat", "dog"), **config):
    return ModelBundle(
        model=model if hasattr(model, "weights") else Network(model),
        class_names=names,
        class_metas=tuple(ClassMeta(name, "bitmap", "#00FF00") for name in names[1:]),
        input_size=InputSize(min_dim=64 if shape else max_dim, max_dim=max_dim, shape=shape),
        config=MatterportConfig(**config),
    )


def make_stored(path, bundle):
    """Returns what the files of a bundle's model at `path` would say."""
    return StoredModel(path, path / "m.h5", bundle.class_names, bundle.class_metas, bundle.input_size, bundle.config)


def grey_image(height, width, value):
    return np.full((height, width, 3), value, dtype=np.uint8)


def make_detections(boxes, names, scores, *, size, ids=None):
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    masks = np.zeros((len(boxes), *size), dtype=bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    ids = ids or [{"cat": 1, "dog": 2}[name] for name in names]
    return Detections(boxes, np.array(ids, np.int32), tuple(names), np.array(scores, np.float32), masks)


def make_compact(boxes, names, scores, *, size):
    return compact.from_dense(make_detections(boxes, names, scores, size=size))


class BlobPredictor:
    """Finds each connected area of one bright value: value 10 * k is of class 1 ("cat"), 10 * k + 1 of class 2 ("dog").

    The score is value / 255. It notes how many images came at once.
    """

    fields: ClassVar = {}

    def __init__(self):
        self.batches = []

    def predict_compact(self, images, *, batch_size=None):
        images = list(images)
        self.batches.append(len(images))
        return [compact.from_dense(self._find(image[..., 0])) for image in images]

    def _find(self, grey):
        masks, names, scores = [], [], []
        for value in sorted(set(grey.ravel().tolist()) - {0}, reverse=True):
            count, areas = cv2.connectedComponents((grey == value).astype(np.uint8), connectivity=4)
            for index in range(1, count):
                masks.append(areas == index)
                names.append("dog" if value % 10 else "cat")
                scores.append(value / 255)
        boxes = [(*np.argwhere(mask).min(axis=0), *(np.argwhere(mask).max(axis=0) + 1)) for mask in masks]
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array([{"cat": 1, "dog": 2}[name] for name in names], np.int32),
            tuple(names),
            np.array(scores, np.float32),
            np.array(masks, bool).reshape(-1, *grey.shape),
        )


def make_picture(grey, *, index=0, labels=()):
    return Picture(index, np.repeat(grey[..., None], 3, axis=2), Annotation(grey.shape, labels=tuple(labels)))


def write_image(path, height, width, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), grey_image(height, width, value))


def write_project(root, images, *, classes=(("cat", "rectangle"),), tags=()):
    """Writes a project; `images` maps `dataset/name` to (height, width, grey value, objects, image tags)."""
    meta = {
        "classes": [{"title": title, "shape": shape, "color": "#FF0000"} for title, shape in classes],
        "tags": [{"name": name, "value_type": kind} for name, kind in tags],
        "projectType": "images",
    }
    root.mkdir(parents=True)
    (root / "meta.json").write_text(json.dumps(meta))
    for key, (height, width, value, objects, image_tags) in images.items():
        dataset, name = key.split("/")
        write_image(root / dataset / "img" / name, height, width, value)
        content = {
            "description": "kept",
            "size": {"height": height, "width": width},
            "tags": [{"name": tag, "id": 7} for tag in image_tags],
            "objects": objects,
        }
        (root / dataset / "ann").mkdir(exist_ok=True)
        (root / dataset / "ann" / f"{name}.json").write_text(json.dumps(content))
    return root


def rectangle(title, y1, x1, y2, x2, tags=()):
    """Makes a rectangle object; y2 and x2 are inclusive, as in the format."""
    return {
        "classTitle": title,
        "tags": [{"name": tag} for tag in tags],
        "labelerLogin": "ann",
        "points": {"exterior": [[x1, y1], [x2, y2]], "interior": []},
    }


def whole(title, height, width, tags=()):
    """Makes an object that covers a whole image."""
    return rectangle(title, 0, 0, height - 1, width - 1, tags)


def write_scored_project(folder):
    """Writes a project in which `brightness_model` finds each image as a cat and its upper half as a dog."""
    images = {
        "ds/a.png": (20, 30, 200, [whole("cat", 20, 30), whole("dog", 10, 30)], ["val"]),
        "ds/b.png": (40, 24, 100, [whole("cat", 40, 24), whole("fox", 40, 24)], ["val"]),
        "ds/c.png": (40, 24, 250, [], ["train"]),
    }
    classes = (("cat", "rectangle"), ("dog", "rectangle"), ("fox", "rectangle"))
    return write_project(folder / "animals", images, classes=classes, tags=(("val", "none"), ("train", "none")))
