"""Each family with further heads has the detections, losses and gradients of TensorFlow on JAX and PyTorch.

`test_equal.py` compares the usual heads of two families, also in steps of training.
"""

import pytest

from tests.backends import models, worker
from tests.backends.environments import BACKENDS

MATTERPORT = {"family": "matterport", "backbone": "resnet50", "pre_nms_topk": 300, "post_nms_topk_train": 60}
KEYPOINTS = {"extra_heads": ("keypoints",), "keypoints": {"names": ("a", "b", "c")}, "keypoint_channels": (16, 16)}
PANOPTIC = {"extra_heads": ("semantic",), "stuff_classes": ("sky", "road")}
SETTINGS = {
    "torchvision_v2 with keypoints": {"family": "torchvision_v2", **KEYPOINTS},
    "detectron2": {"family": "detectron2"},
    "detectron2 with cascade, PointRend and panoptic": {
        "family": "detectron2", "box_head": "cascade", "mask_head": "pointrend", **PANOPTIC,
    },
    "matterport with hourglass, points and federated loss": {
        **MATTERPORT, "mask_head": "hourglass20", "mask_supervision": "points", "class_loss": "federated",
    },
    "torchvision with cascade, points and sigmoid": {
        "family": "torchvision", "box_head": "cascade", "mask_supervision": "points", "class_loss": "sigmoid",
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=SETTINGS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    models.write(folder, {**models.NARROW, **SETTINGS[request.param]})
    yield folder
    (folder / "model_weights" / "model.h5").unlink()


@pytest.fixture(scope="module")
def expected(model):
    """What TensorFlow computes; with fixed slots, as JAX has them, a mask head normalises by the unused slots too."""
    return {"torch": worker.heads(model, fixed=False), "jax": worker.heads(model, fixed=True)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_detections_losses_and_gradients_are_those_of_tensorflow(backend, model, expected, tmp_path):
    got = models.computed(backend, "heads", model, tmp_path / "found.npz")
    # an hourglass of random weights has logits of hundreds, whose rounding is larger, and JAX rounds the statistics of
    # torchvision_v2's mask head otherwise
    masks = 1e-3 if "hourglass" in model.name else 1e-4
    losses = 1e-4 if (backend, "torchvision_v2" in model.name) == ("jax", True) else 1e-5
    # these heads normalise by the statistics of a few regions: noise of 0.000001 of the image changes gradients by 0.5
    # to 3 %
    gradients = 0.05 if "hourglass" in model.name or "torchvision_v2" in model.name else 1e-3
    models.assert_close(got, expected[backend], masks=masks, losses=losses, gradients=gradients)
