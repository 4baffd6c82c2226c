"""Small models, images and their files for the tests of this package."""

import json
from dataclasses import replace

import cv2
import keras
import numpy as np
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.export import run
from mrcnn.export.exportable import DetectorSettings, Exportable
from mrcnn.export.precision import GREY
from mrcnn.heads.keypoint import decode
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models.build import build_model
from mrcnn.predict.predictor import Predictor
from mrcnn.project.meta import ClassMeta
from mrcnn.structures import Choices, Detections, RawDetections
from tests.predict.helpers import Network

SIDE = 128
NAMES = ("bg", "cat", "dog")
# a whole network that finds several objects of random weights in any image
SMALL_SETTINGS = {
    "backbone": "resnet50",
    "anchor_sizes": (8, 16, 32, 64, 128),
    "fpn_channels": 16,
    "rpn_channels": 16,
    "box_fc_channels": 32,
    "pre_nms_topk": 200,
    "post_nms_topk": 50,
    "detections_per_image": 20,
    "score_threshold": 0.0,
    "initial_values": "he",  # random masks whose logits are a few units large, as a trained network's; else up to 25
}
SMALL = MatterportConfig(**SMALL_SETTINGS)

SEVERAL_LABELS = {"classes": [{"id": 1, "title": "Käse", "color": "#FF0000"}]}


def brightness_model(batch):
    """Finds the whole window as class 1 with score = brightness, and its upper half as class 2 with half that score.

    The better one stands second, an unused slot last.
    """
    images, windows = batch["images"], batch["windows"]
    count = tf.shape(images)[0]
    height, width = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    score = tf.reduce_sum(images, axis=(1, 2, 3)) / (255.0 * images.shape[3] * height * width)
    upper = tf.stack([windows[:, 0], windows[:, 1], windows[:, 0] + height / 2, windows[:, 3]], axis=1)
    return RawDetections(
        boxes=tf.stack([upper, windows, tf.zeros_like(windows)], axis=1),
        class_ids=tf.tile([[2, 1, 0]], [count, 1]),
        scores=tf.stack([score / 2, score, tf.zeros_like(score)], axis=1),
        valid=tf.tile([[True, True, False]], [count, 1]),
        masks=tf.ones([count, 3, 4, 4]),
    )


def several(batch):
    """Finds what `brightness_model` does with a mask that is a slope, and an object whose mask is empty.

    An image whose mean is below 0.2 shows nothing. Each object has two keypoints; each pixel's class is its strongest
    colour.
    """
    raw = brightness_model(batch)
    slope = tf.tile(tf.linspace(0.0, 1.0, 4)[None], [4, 1])
    masks = tf.stack([slope, tf.ones((4, 4)), tf.fill((4, 4), 0.4)])
    boxes = tf.stack([raw.boxes[:, 0], raw.boxes[:, 1], raw.boxes[:, 0]], axis=1)
    scores = tf.stack([raw.scores[:, 0], raw.scores[:, 1], raw.scores[:, 1]], axis=1)
    valid = tf.tile(raw.scores[:, 1:2] >= 0.2, [1, 3])
    class_ids = tf.tile([[2, 1, 1]], [tf.shape(boxes)[0], 1])
    maps = np.random.default_rng(0).normal(size=(1, 8, 8, 2)).astype(np.float32)
    points = decode.decode_keypoints(tf.tile(maps, [tf.size(scores), 1, 1, 1]), tf.reshape(boxes, [-1, 4]))
    return raw._replace(
        boxes=boxes,
        scores=scores,
        valid=valid,
        class_ids=class_ids,
        masks=masks[None],
        extras={"keypoints": tf.reshape(points, [-1, 3, 2, 3])},
        maps={"semantic": tf.image.resize(batch["images"], [16, 16])},
    )


def several_exportable():
    """Returns `several` with its names."""
    model = make_exportable(several)
    return replace(model, settings=replace(model.settings, maps=("semantic",)), labels=SEVERAL_LABELS)


def check_several(found, live, *, keypoints=True):
    """Checks what a file of `several` found against the live model's detections."""
    names = {"boxes", "class_ids", "scores", "masks", "probabilities", "semantic"}
    assert set(found) == names | ({"keypoints"} if keypoints else set())
    assert [found[key].dtype for key in ("boxes", "class_ids", "scores", "masks", "probabilities")] == [
        np.float32, np.int32, np.float32, np.uint8, np.float32
    ]  # fmt: skip
    np.testing.assert_array_equal(found["class_ids"], live.class_ids)
    np.testing.assert_allclose(found["boxes"], live.boxes, atol=0.01)
    np.testing.assert_allclose(found["scores"], live.scores, atol=1e-4)
    assert found["masks"].shape == live.masks.shape
    assert (found["masks"] != live.masks).sum() <= 2 * len(live.masks)
    if keypoints:
        np.testing.assert_allclose(found["keypoints"], live.extras["keypoints"], atol=0.01)
    assert found["semantic"].shape == live.maps["semantic"].shape
    assert (found["semantic"] != live.maps["semantic"]).mean() <= 0.001


def check_older_ways_to_resize(kind, method, folder):
    """Checks a format with rectangular inputs and a way to resize that older models have."""
    bundle = make_bundle(config=MatterportConfig(image_resize=method))
    bundle = replace(bundle, input_size=InputSize(min_dim=64, max_dim=128, shape="rectangle"))
    run.write(bundle, folder, format=kind)
    detect = kind.open(folder, run.detector_settings(bundle))["image"]
    for size in [(40, 50), (150, 30), (20, 200)]:
        image = photo(*size)
        (live,) = Predictor(bundle).predict([image])
        found = detect(image)
        assert len(live.scores) == 2
        np.testing.assert_allclose(found["boxes"], live.boxes, atol=1e-3)
        np.testing.assert_allclose(found["scores"], live.scores, atol=GREY)
    assert json.loads((folder / "labels.json").read_text())["input_size"]["shape"] == "rectangle"


def thresholded(threshold):
    """Makes a `brightness_model` that drops what scores less."""

    def model(batch):
        raw = brightness_model(batch)
        return raw._replace(valid=raw.valid & (raw.scores >= threshold))

    return model


def make_bundle(model=brightness_model, *, config=None, side=64):
    return ModelBundle(
        model=model if hasattr(model, "weights") else Network(model),
        class_names=NAMES,
        class_metas=(ClassMeta("dog", "bitmap", "#00FF00"), ClassMeta("cat", "bitmap", "#FF0000")),
        input_size=InputSize(min_dim=side, max_dim=side),
        config=config or MatterportConfig(),
    )


def small_bundle():
    """Returns a whole network of random weights with rectangular inputs."""
    keras.utils.set_random_seed(2)
    bundle = make_bundle(build_model(SMALL, num_classes=len(NAMES)), config=SMALL)
    return replace(bundle, input_size=InputSize(min_dim=64, max_dim=SIDE, shape="rectangle"))


def make_exportable(model=brightness_model, *, side=64, channels=3):
    settings = DetectorSettings(NAMES, min_dim=side, max_dim=side, channels=channels)
    return Exportable(model if hasattr(model, "weights") else Network(model), settings, labels={}, choices=Choices())


def photo(height, width, *, seed=0):
    """Draws a smooth colourful picture with discs on it, the same for the same seed."""
    random = np.random.default_rng(seed)
    image = cv2.resize(random.integers(0, 256, (5, 5, 3)).astype(np.uint8), (width, height))
    for _ in range(6):
        centre = (int(random.integers(width)), int(random.integers(height)))
        color = tuple(int(value) for value in random.integers(0, 256, 3))
        cv2.circle(image, centre, max(1, min(height, width) // 6), color, -1)
    return image


def encode(image, extension=".png", *parameters):
    """Returns the file's bytes of a grey, RGB or RGBA array."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    return cv2.imencode(extension, image, parameters)[1].tobytes()


def make_detections(boxes, class_ids, scores, *, size):
    """Makes detections whose masks fill their boxes, which must be of whole numbers."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    names = tuple(NAMES[index] for index in class_ids)
    return Detections(boxes, np.array(class_ids, np.int32), names, np.array(scores, np.float32), masks)


def outputs(detections):
    """Returns what a signature would have returned for these detections; copies."""
    return {
        "boxes": detections.boxes.copy(),
        "class_ids": detections.class_ids.copy(),
        "scores": detections.scores.copy(),
        "masks": detections.masks.astype(np.uint8),
    }
