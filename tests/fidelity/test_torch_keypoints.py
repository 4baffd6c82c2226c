"""torchvision's Keypoint R-CNN: the decoding of stored maps, and the keypoints of the photograph from its pixels on."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.keypoint.decode import decode_keypoints
from mrcnn.model_folder import read
from mrcnn.predict.predictor import Predictor
from tests.fidelity import torch_reference
from tests.fidelity.torch_gates import Found, matched
from tests.fidelity.torch_recipe import KEYPOINTS
from tests.fidelity.torch_session import write_weights

INDEX = 0.5  # torchvision's points are indices of the model input's pixels, ours positions
SHARE = 0.99  # of the points within a pixel: the largest of two almost equal cells may be the other one
FACTOR = 400 / 800  # from the model input to the photograph


@pytest.fixture(scope="module")
def expected():
    with np.load(torch_reference.path_of(KEYPOINTS)) as arrays:
        found = dict(arrays)
    return found | {name: found[name][:, torch_reference.SWAPPED] for name in ("boxes", "boxes_resized")}


def test_decode_keypoints_of_stored_maps_is_torchvisions(expected):
    maps = expected["keypoint_logits"]  # [2, K, 56, 56], every fourth point
    got = np.asarray(
        decode_keypoints(tf.constant(np.moveaxis(maps, 1, -1)), expected["boxes_resized"][:2], rule="torchvision")
    )
    points = expected["keypoints"][:2, ::4]
    np.testing.assert_allclose(got[..., :2] * FACTOR, points[..., :2], atol=1e-2)
    np.testing.assert_allclose(got[..., 2], expected["keypoints_scores"][:2, ::4], atol=1e-4)


@pytest.mark.slow
def test_keypoints_of_the_photograph_are_torchvisions(expected, tmp_path):
    path = write_weights(KEYPOINTS, tmp_path)
    stored = read.read_file(path, classes=["person"])
    assert stored.config.keypoints.names[:3] == ("nose", "left_eye", "right_eye")
    [found] = Predictor(read.load_model(stored)).predict([torch_reference.photograph()])
    path.unlink()
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
