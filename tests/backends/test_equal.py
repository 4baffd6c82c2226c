"""JAX and PyTorch detect and learn the same as TensorFlow; they run in environments of their own.

`make test-backends` makes these and names their interpreters in MRCNN_JAX_PYTHON and MRCNN_BACKEND_TORCH_PYTHON.
"""

import numpy as np
import pytest

from tests.backends import models, worker
from tests.backends.environments import BACKENDS, named

SETTINGS = {
    "matterport": {"backbone": "resnet50", "pre_nms_topk": 300, "post_nms_topk_train": 60, **models.NARROW},
    "torchvision": {"family": "torchvision", **models.NARROW},
}

SWAPPED = 1  # steps of 20 in which rounding may choose another region where two scores are nearly equal


@pytest.fixture(scope="module", params=SETTINGS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    models.write(folder, SETTINGS[request.param])
    yield folder
    (folder / "model_weights" / "model.h5").unlink()


@pytest.fixture(scope="module")
def expected(model):
    """What TensorFlow computes."""
    return {"detections": worker.detections(model), "training": worker.training(model)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_detections_are_those_of_tensorflow(backend, model, expected, tmp_path):
    got = models.computed(backend, "detections", model, tmp_path / "found.npz")
    assert got.keys() == expected["detections"].keys()
    for name, values in expected["detections"].items():
        tolerance = 2e-3 if name.endswith("boxes") else 1e-4  # pixels; probabilities
        np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("backend", BACKENDS)
def test_losses_gradients_and_steps_are_those_of_tensorflow(backend, model, expected, tmp_path):
    if backend == "jax" and model.name != "matterport":
        pytest.skip("compared on PyTorch alone, since JAX compiles for minutes")
    got = models.computed(backend, "training", model, tmp_path / "found.npz")
    assert got.keys() == expected["training"].keys()
    total = expected["training"]["steps/loss"]
    for name, values in expected["training"].items():
        if name.startswith("gradient"):
            models.assert_gradient_close(got[name], values, name=name)
        elif name.startswith("steps"):  # a part of the loss may change sooner than the whole
            apart = np.abs(got[name] - values) / total
            assert (apart > 1e-3).sum() <= SWAPPED, name
            assert apart.max() <= 1e-2, name
        else:
            np.testing.assert_allclose(got[name], values, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("backend", [named("torch")])
def test_numpy_arrays_are_taken_by_all_methods_of_the_network(backend, model, tmp_path):
    got, expected = models.computed(backend, "arrays", model, tmp_path / "found.npz"), worker.arrays(model)
    models.assert_close(got, expected)
