"""One model with the seeded weights, and what it computes, each thing once."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.data import resize
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models import build
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.mask_rcnn import Outputs
from mrcnn.ops import sampling
from mrcnn.predict import postprocess
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import AnchorTargets, Batch, Detections, RawDetections
from mrcnn.weights import apply
from tests.fidelity import reference

CLASS_NAMES = ("background", "a", "b", "c", "d")
GT_SLOTS = 8  # two more than there are instances: unused slots must have no effect


class Step(NamedTuple):
    """What one training step computes.

    Attributes:
        given: what each part gave, as `record` lists it.
        outputs: the predictions beside their targets.
        losses: by name, the total as `loss`.
        gradients: of the total, by weight name, e.g. `conv1/kernel:0`.
    """

    given: dict[str, list[Any]]
    outputs: Outputs
    losses: dict[str, float]
    gradients: dict[str, np.ndarray]


class Session:
    """A model under comparison.

    Attributes:
        model: ResNet-50, 5 classes, with Matterport's numbers and the seeded weights.
    """

    def __init__(self, model: Matterport):
        """Stores a model whose weights are loaded."""
        self.model = model

    @cached_property
    def detection(self) -> dict[str, list[Any]]:
        """What each part gave when the model detected in the photograph, by name in `_parts`, and `model`."""
        arrays = reference.inference()
        inputs = {"images": arrays["molded_uint8"][None].astype(np.float32), "windows": arrays["window"][None]}
        inputs = {name: tf.constant(value, tf.float32) for name, value in inputs.items()}
        return record(self.model, lambda: self.model(inputs))

    @cached_property
    def step(self) -> Step:
        """A training step through targets that depend on the RPN's deltas, as Matterport's do."""
        return training_step(self.model)

    @cached_property
    def detached_step(self) -> Step:
        """A training step whose sampled regions and targets are constants."""
        with mock.patch.object(self.model.rpn.proposals, "detach", True):
            with mock.patch.object(self.model.box.targets, "detach", True):
                return training_step(self.model)

    @cached_property
    def predictor(self) -> Predictor:
        """The model with everything around it, as a user loads it."""
        return Predictor(
            ModelBundle(
                model=self.model,
                class_names=CLASS_NAMES,
                class_metas=(),
                input_size=InputSize(min_dim=reference.SIDE, max_dim=reference.SIDE),
                config=self.model.settings,
            )
        )

    def to_original(self, raw: RawDetections) -> Detections:
        """Moves detections from the model input into the photograph."""
        height, width = image_size = reference.inference()["image"].shape[:2]
        plan = resize.resize_plan(height, width, min_dim=reference.SIDE, max_dim=reference.SIDE)
        return postprocess.to_original(
            raw, plan, image_size=image_size, class_names=CLASS_NAMES, rules=self.predictor.bundle.output_rules
        )


def build_model(weights_file: Path, **settings: Any) -> Matterport:
    """Builds the model under comparison and loads its weights through the reader of old files; a setting wins."""
    config = MatterportConfig(**{"compatibility": "matterport", "backbone": "resnet50", **settings})
    model = build.build_model(config, num_classes=reference.CLASSES)
    apply.load_into(model.weight_layout(), weights_file)
    return model


def record(model: Matterport, run: Callable[[], Any]) -> dict[str, list[Any]]:
    """Runs the model and lists what each part gave, call by call, by name in `_parts`; `model` is the result."""
    given: dict[str, list[Any]] = {}

    def spy(name, call):
        def recorded(*args, **kwargs):
            given.setdefault(name, []).append(call(*args, **kwargs))
            return given[name][-1]

        return recorded

    with ExitStack() as stack:
        for name, part in _parts(model).items():
            stack.enter_context(mock.patch.object(part, "call", spy(name, part.call)))
        given["model"] = [run()]
    return given


def _parts(model: Matterport) -> dict[str, keras.layers.Layer]:
    """Returns the layers that are compared one by one."""
    mask = model.head("mask")
    return {
        "backbone": model.backbone,
        "fpn": model.neck,
        "anchor_generator": model.rpn.anchors,
        "rpn": model.rpn.network,
        "proposal_generator": model.rpn.proposals,
        "anchor_targets": model.rpn.targets,
        "box_features": model.box.features,
        "box_head": model.box.network,
        "detection_generator": model.box.detections,
        "roi_targets": model.box.targets,
        "mask_features": mask.features,
        "mask_head": mask.network,
        "mask_targets": mask.targets,
    }


@contextmanager
def first_in_order() -> Iterator[None]:
    """Lets samples be drawn from the front instead of at random."""

    def falling(seeds, count, *, salt):
        return tf.broadcast_to(tf.linspace(1.0, 0.0, count)[None], (seeds.shape[0], count))

    with mock.patch.object(sampling, "random_priority", falling):
        yield


def training_step(model: Matterport) -> Step:
    """Computes losses and gradients for the stored sample of anchors and the first regions in order."""
    arrays = reference.training()
    match = arrays["rpn_match"]
    sampled = AnchorTargets(
        state=tf.constant(reference.anchor_state(match)[None]),
        deltas=tf.constant(reference.anchor_deltas(match, arrays["rpn_bbox"])[None]),
    )
    with first_in_order(), mock.patch.object(model.rpn.targets, "call", return_value=sampled):
        return compute_step(model, training_batch())


def compute_step(model: Matterport, batch: dict[str, tf.Tensor]) -> Step:
    """Computes losses and gradients of a batch."""
    variables = {name: variable for _, weights in model.weight_layout() for name, variable in weights}
    trained = {name: variable.value for name, variable in variables.items() if variable.trainable}
    with tf.GradientTape() as tape:
        given = record(model, lambda: model(batch, training=True))
        (outputs,) = given["model"]
        total, parts = model.losses_of(outputs)
    gradients = tape.gradient(total, trained)
    return Step(
        given=given,
        outputs=outputs,
        losses={name: float(value) for name, value in {"loss": total, **parts}.items()},
        gradients={name: tf.convert_to_tensor(value).numpy() for name, value in gradients.items()},
    )


def training_batch() -> dict[str, tf.Tensor]:
    """Returns the photograph of the training step with its instances, the last of which is a crowd."""
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
        neutral=np.zeros((side, side), bool),
        image_ids=np.array(0, np.int32),
        seeds=np.array(0, np.int32),
    )
    return {name: tf.constant(value[None]) for name, value in fields._asdict().items()}


def _padded(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.zeros((GT_SLOTS - len(values), *values.shape[1:]), values.dtype)])
