"""Narrow models of random weights, and what a back end computes with them."""

import keras
import numpy as np

from mrcnn.config import family
from mrcnn.model_folder import write as folders
from mrcnn.models import build
from mrcnn.project.meta import ClassMeta, ProjectMeta
from tests.backends import environments

NARROW = {
    "fpn_channels": 32,
    "rpn_channels": 32,
    "box_fc_channels": 64,
    "post_nms_topk": 60,
    "detections_per_image": 10,
}
TITLES = ("bg", "a", "b", "c")


def write(folder, settings):
    """Writes a model folder of random weights for inputs of 64 to 128 pixels, by TensorFlow."""
    keras.utils.set_random_seed(5)
    config = family.check_model(settings)
    network = build.build_model(config, num_classes=len(TITLES))
    meta = ProjectMeta(classes=tuple(ClassMeta(title, "bitmap", "#00FF00") for title in TITLES[1:]))
    content = folders.folder_config(
        meta,
        {title: number for number, title in enumerate(TITLES)},
        settings={"input_size": {"min_dim": 64, "max_dim": 128, "shape": "rectangle"}},
        model=config.model_dump(mode="json"),
        background="bg",
    )
    folders.write_folder(folder, content, network.weight_layout())


def computed(backend, what, folder, out):
    """Runs the worker in a back end's environment, without TensorFlow."""
    printed = environments.run(backend, "worker", what, folder, out)
    assert printed.split() == [backend, "False"]
    return dict(np.load(out))


def assert_close(got, expected, *, masks=1e-4, losses=1e-5, gradients=1e-3):
    """Checks raw detections, losses and gradients by name.

    Boxes differ by at most 0.002 pixels, masks by `masks`, other fields by 0.0001, losses by `losses` of the sum, and
    the gradient of a weight by `gradients` of its norm.
    """
    allowed = {"boxes": 2e-3, "masks": masks}
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        if name.startswith("loss"):
            allowance = losses * expected["loss/loss"]
            np.testing.assert_allclose(got[name], values, rtol=losses, atol=allowance, err_msg=name)
        elif name.startswith("gradient"):
            assert_gradient_close(got[name], values, name=name, share=gradients)
        else:
            tolerance = allowed.get(name.rpartition("/")[2], 1e-4)
            np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=tolerance, err_msg=name)


def assert_gradient_close(got, expected, *, name, share=1e-3):
    """Checks that the gradient of a weight differs by at most a share of its norm.

    Before a batch norm, a bias has no gradient but what rounding leaves, less than 0.000001.
    """
    assert np.linalg.norm(got - expected) <= share * np.linalg.norm(expected) + 1e-6, name
