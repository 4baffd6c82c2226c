"""torchvision's Keypoint R-CNN: stored maps decoded, maps of stored boxes, and the photograph from its pixels on.

`python -m pytest -s -m "" tests/fidelity/test_torch_keypoints.py` prints the differences.
"""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.keypoint import decode
from mrcnn.heads.keypoint.decode import decode_keypoints
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.model_folder import read
from mrcnn.predict.predictor import Predictor
from tests.fidelity import torch_reference
from tests.fidelity.torch_gates import MASK_LOGITS, Found, matched
from tests.fidelity.torch_recipe import KEYPOINTS
from tests.fidelity.torch_session import TorchSession, write_weights

INDEX = 0.5  # torchvision's points are indices of the model input's pixels, ours positions
SHARE = 0.99  # of the points within a pixel: the largest of two almost equal cells may be the other one
FACTOR = 400 / 800  # from the model input to the photograph
POINTS, SCORES = 1e-2, 1e-4  # gates of decoded points, pixels of the photograph, and of their scores


@pytest.fixture(scope="module")
def expected():
    with np.load(torch_reference.path_of(KEYPOINTS)) as arrays:
        found = dict(arrays)
    return found | {name: found[name][:, torch_reference.SWAPPED] for name in ("boxes", "boxes_resized")}


def decoded(expected, *, rule="torchvision", shift=0.0):
    """Decodes the stored maps of two detections, of every fourth point; `shift` moves the boxes by pixels."""
    maps = np.moveaxis(expected["keypoint_logits"], 1, -1)  # [2, 56, 56, K]
    return np.asarray(decode_keypoints(tf.constant(maps), expected["boxes_resized"][:2] + shift, rule=rule))


def farthest(found, expected):
    """Computes the largest differences of the decoded points: in pixels of the photograph, and of the scores."""
    points = np.abs(found[..., :2] * FACTOR - expected["keypoints"][:2, ::4, :2]).max()
    return points, np.abs(found[..., 2] - expected["keypoints_scores"][:2, ::4]).max()


def test_decode_keypoints_of_stored_maps_is_torchvisions(expected):
    points, scores = farthest(decoded(expected), expected)
    print(f"points {points:.1e} pixels, scores {scores:.1e}")
    assert points < POINTS
    assert scores < SCORES


def test_decode_keypoints_of_stored_maps_notices_the_other_rule(expected):
    points, scores = farthest(decoded(expected, rule="detectron2"), expected)
    assert points < POINTS  # the rules differ in the score alone
    assert scores > 10 * SCORES


def test_decode_keypoints_of_stored_maps_notices_half_a_pixel(expected):
    points, _ = farthest(decoded(expected, shift=0.5), expected)
    assert points > 10 * POINTS


def test_decode_keypoints_of_stored_maps_notices_another_kernel(expected, monkeypatch):
    monkeypatch.setattr(decode, "_SHARPNESS", -0.5)  # of Catmull-Rom, which TensorFlow's resizing uses
    points, scores = farthest(decoded(expected), expected)
    assert max(points / POINTS, scores / SCORES) > 10


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = write_weights(KEYPOINTS, tmp_path_factory.mktemp("weights"))
    stored = read.read_file(path, classes=["person"])
    assert stored.config.keypoints.names[:3] == ("nose", "left_eye", "right_eye")
    yield TorchSession(KEYPOINTS, Predictor(read.load_model(stored)))
    path.unlink()  # 238 MB, which pytest would keep for three runs


def map_difference(session, expected, cut=None):
    """Computes the largest difference of the maps of stored boxes from torchvision's, cut from our own pyramid."""
    head, boxes = session.model.head("keypoints"), expected["boxes_resized"][:2]
    features = (cut or head.features)(
        session.pyramid[:4], tf.constant(boxes), tf.zeros(len(boxes), tf.int32), image_size=torch_reference.INPUT
    )
    maps = np.moveaxis(np.asarray(head.network(features))[..., ::4], -1, 1)
    return np.abs(maps - expected["keypoint_logits"]).max()


@pytest.mark.slow
def test_maps_of_stored_boxes_are_torchvisions(session, expected):
    found = map_difference(session, expected)
    print(f"maps {found:.1e} of scale {np.abs(expected['keypoint_logits']).max():.0f}")
    assert found < MASK_LOGITS.limit


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"mode": "aligned"}, {"sampling_ratio": 1}], ids=str)
def test_maps_of_stored_boxes_notice_another_roi_align(session, expected, fault):
    usual = session.model.head("keypoints").features
    numbers = {key: getattr(usual, key) for key in ("output_size", "mode", "sampling_ratio", "level_margin")}
    assert map_difference(session, expected, RoiFeatures(**numbers)) < MASK_LOGITS.limit
    assert map_difference(session, expected, RoiFeatures(**{**numbers, **fault})) > 10 * MASK_LOGITS.limit


@pytest.mark.slow
def test_keypoints_of_the_photograph_are_torchvisions(session, expected):
    [found] = session.predictor.predict([torch_reference.photograph()])
    pairs = matched(
        Found(found.boxes, found.class_ids, found.scores),
        Found(expected["boxes"], expected["labels"], expected["scores"]),
    )
    assert len(pairs) == len(found.boxes) == len(expected["boxes"]) == 44
    ours, theirs = (list(column) for column in zip(*pairs, strict=True))
    np.testing.assert_allclose(found.scores[ours], expected["scores"][theirs], atol=5e-3)
    np.testing.assert_allclose(found.boxes[ours], expected["boxes"][theirs], atol=0.05)
    distance = np.abs(
        found.extras["keypoints"][ours][..., :2] - INDEX * FACTOR - expected["keypoints"][theirs][..., :2]
    )
    assert (distance.max(axis=-1) <= 1).mean() >= SHARE
    scores = found.extras["keypoints"][ours][..., 2]
    assert (np.abs(scores - expected["keypoints_scores"][theirs]) < 2e-2).mean() >= SHARE
    assert found.masks.all(axis=(1, 2)).sum() == 0
    y1, x1, y2, x2 = np.round(found.boxes[0]).astype(int)
    assert found.masks[0].sum() == found.masks[0, y1:y2, x1:x2].sum() == (y2 - y1) * (x2 - x1)  # no mask head: the box
