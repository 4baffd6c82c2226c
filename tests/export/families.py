"""Models with random weights, of the families of other code bases."""

from functools import partial

import keras

from mrcnn.config.families.torchvision import Detectron2Config, TorchvisionConfig, TorchvisionV2Config
from mrcnn.config.input_size import InputSize
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models import build
from mrcnn.weights.maps.entries import Form
from tests.weights import foreign_examples

NAMES = ("bg", "cup", "plate", "spoon")
SIZE = {"min_dim": 128, "max_dim": 160, "shape": "rectangle"}
CASCADE = Form("resnet50", class_agnostic_boxes=True, box_stages=3)
FAMILIES = {  # config, code base, and how its state dict differs from the usual
    "torchvision": (TorchvisionConfig, "torchvision", {}),
    "torchvision_v2": (TorchvisionV2Config, "torchvision", {"form": foreign_examples.SECOND}),
    "detectron2": (Detectron2Config, "detectron2", {}),
    "cascade": (partial(Detectron2Config, box_head="cascade"), "detectron2", {"form": CASCADE}),
}


def make_bundle(family, **changes):
    """Builds a model whose random weights give distinct scores in an image."""
    keras.utils.set_random_seed(1)
    config = FAMILIES[family][0](**changes)
    model = build.build_model(config, num_classes=len(NAMES))
    layers = {name: variable for _, weights in model.weight_layout() for name, variable in weights}
    for name, factor in (
        ("rpn_class_raw", 30.0),
        ("rpn_bbox_pred", 5.0),
        ("mrcnn_class_logits", 30.0),
        *([("mrcnn_mask", 5.0)] if config.has_masks else []),
    ):
        kernel = layers[f"{name}/kernel:0"]
        values = kernel.numpy()
        kernel.assign(factor * (values - values.mean(axis=tuple(range(values.ndim - 1)))))
    for name, variable in layers.items():
        if config.is_cascade and name.startswith(
            "mrcnn_bbox_fc"
        ):  # otherwise the random deltas of three stages move boxes out
            variable.assign(0.1 * variable)
    return ModelBundle(model, NAMES, (), InputSize(**SIZE), config)
