"""JAX and PyTorch detect and learn the same as TensorFlow; they run in environments of their own.

`make test-backends` makes these and names their interpreters in MRCNN_JAX_PYTHON and MRCNN_BACKEND_TORCH_PYTHON.
"""

import keras
import numpy as np
import pytest

from mrcnn.config import family
from mrcnn.model_folder import write
from mrcnn.models import build
from mrcnn.project.meta import ClassMeta, ProjectMeta
from tests.backends import environments, worker
from tests.backends.environments import BACKENDS

NARROW = {
    "fpn_channels": 32,
    "rpn_channels": 32,
    "box_fc_channels": 64,
    "post_nms_topk": 60,
    "detections_per_image": 10,
}
SETTINGS = {
    "matterport": {"backbone": "resnet50", "pre_nms_topk": 300, "post_nms_topk_train": 60, **NARROW},
    "torchvision": {"family": "torchvision", **NARROW},
}
TITLES = ("bg", "a", "b", "c")


def write_model(folder, settings):
    """Writes a model folder of random weights for inputs of 64 to 128 pixels, by TensorFlow."""
    keras.utils.set_random_seed(5)
    config = family.check_model(settings)
    network = build.build_model(config, num_classes=len(TITLES))
    meta = ProjectMeta(classes=tuple(ClassMeta(title, "bitmap", "#00FF00") for title in TITLES[1:]))
    content = write.folder_config(
        meta,
        {title: number for number, title in enumerate(TITLES)},
        settings={"input_size": {"min_dim": 64, "max_dim": 128, "shape": "rectangle"}},
        model=config.model_dump(mode="json"),
        background="bg",
    )
    write.write_folder(folder, content, network.weight_layout())


@pytest.fixture(scope="module", params=SETTINGS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    write_model(folder, SETTINGS[request.param])
    yield folder
    (folder / "model_weights" / "model.h5").unlink()


@pytest.fixture(scope="module")
def expected(model):
    """What TensorFlow computes."""
    return {"detections": worker.detections(model), "training": worker.training(model)}


def computed(backend, what, folder, out):
    """Runs the worker in a back end's environment, without TensorFlow."""
    printed = environments.run(backend, "worker", what, folder, out)
    assert printed.split() == [backend, "False"]
    return dict(np.load(out))


@pytest.mark.parametrize("backend", BACKENDS)
def test_detections_are_those_of_tensorflow(backend, model, expected, tmp_path):
    got = computed(backend, "detections", model, tmp_path / "found.npz")
    assert got.keys() == expected["detections"].keys()
    for name, values in expected["detections"].items():
        tolerance = 2e-3 if name.endswith("boxes") else 1e-4  # pixels; probabilities
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_losses_gradients_and_steps_are_those_of_tensorflow(backend, model, expected, tmp_path):
    if backend == "jax" and model.name != "matterport":
        pytest.skip("compared on PyTorch alone, since JAX compiles for minutes")
    got = computed(backend, "training", model, tmp_path / "found.npz")
    assert got.keys() == expected["training"].keys()
    total = expected["training"]["steps/loss"]
    for name, values in expected["training"].items():
        if name.startswith("gradient"):
            assert np.linalg.norm(got[name] - values) <= 1e-3 * np.linalg.norm(values) + 1e-7, name
        elif name.startswith("steps"):  # a part of the loss may change sooner than the whole
            assert (np.abs(got[name] - values) <= 1e-3 * total).all(), name
        else:
            np.testing.assert_allclose(got[name], values, rtol=1e-5, err_msg=name)
