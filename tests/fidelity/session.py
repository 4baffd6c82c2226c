"""One model with the seeded weights, and what it computes, each thing once."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from mrcnn.config.model import ModelConfig
from mrcnn.models import build
from mrcnn.models.mask_rcnn import MaskRCNN
from mrcnn.structures import Batch
from mrcnn.weights import apply
from tests.fidelity import reference

GT_SLOTS = 8  # two more than there are instances: unused slots must have no effect


class Session:
    """A model under comparison.

    Attributes:
        model: ResNet-50, 5 classes, with Matterport's numbers and the seeded weights.
    """

    def __init__(self, model: MaskRCNN):
        """Takes a model whose weights are loaded."""
        self.model = model

    @cached_property
    def detection(self) -> dict[str, list[Any]]:
        """What each part gave when the model detected in the photograph, by name in `Parts`, and `model`."""
        arrays = reference.inference()
        inputs = {"images": arrays["molded_uint8"][None].astype(np.float32), "windows": arrays["window"][None]}
        inputs = {name: tf.constant(value, tf.float32) for name, value in inputs.items()}
        return record(self.model, lambda: self.model(inputs))


def build_model(weights_file: Path, **settings: Any) -> MaskRCNN:
    """Builds the model under comparison and loads its weights through the reader of old files."""
    model = build.build_model(ModelConfig(backbone="resnet50", **settings), num_classes=reference.CLASSES)
    apply.load_into(model.weight_layout(), weights_file)
    return model


def record(model: MaskRCNN, run: Callable[[], Any]) -> dict[str, list[Any]]:
    """Runs the model and lists what each of its parts gave, call by call, by name in `Parts`; `model` is the result."""
    given: dict[str, list[Any]] = {}

    def spy(name, call):
        def recorded(*args, **kwargs):
            given.setdefault(name, []).append(call(*args, **kwargs))
            return given[name][-1]

        return recorded

    with ExitStack() as stack:
        for name, part in model.parts._asdict().items():
            stack.enter_context(mock.patch.object(part, "call", spy(name, part.call)))
        given["model"] = [run()]
    return given


def training_batch() -> dict[str, tf.Tensor]:
    """Gives the photograph of the training step with its instances, the last of which is a crowd."""
    arrays = reference.training()
    class_ids = arrays["gt_class_ids"]
    masks = reference.unpack(arrays, "gt_masks").transpose(2, 0, 1)
    side = reference.SIDE
    fields = Batch(
        images=arrays["molded_uint8"].astype(np.float32),
        windows=np.array([0, 0, side, side], np.float32),
        gt_boxes=_padded(arrays["gt_boxes"].astype(np.float32)),
        gt_class_ids=_padded(np.maximum(class_ids, 0)),
        gt_masks=_padded(masks.astype(np.uint8) * 255),
        gt_valid=_padded(class_ids > 0),
        gt_ignore=_padded(class_ids < 0),
        image_ids=np.array(0, np.int32),
        seeds=np.array(0, np.int32),
    )
    return {name: tf.constant(value[None]) for name, value in fields._asdict().items()}


def _padded(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.zeros((GT_SLOTS - len(values), *values.shape[1:]), values.dtype)])
