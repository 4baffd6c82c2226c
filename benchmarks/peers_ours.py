"""Our side of `benchmarks.peers`: writes what both sides share, and times a case in this process.

    python -m benchmarks.peers_ours FOLDER --prepare
    python -m benchmarks.peers_ours FOLDER --case infer-800x1333-0

The weights are random, but scaled so that both sides find the same number of objects: each residual branch adds little,
and the scores of classes differ enough that a hundred detections pass 0.05.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import large_image, peers_work, speed
from benchmarks.peers_work import Case
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.config.family import FAMILIES
from mrcnn.config.input_size import InputSize
from mrcnn.model_folder.precision import BRAIN
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models.build import BUILDERS
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.mask_rcnn import MaskRCNN
from mrcnn.ops.backend.current import native
from mrcnn.predict.predictor import Predictor
from mrcnn.structures import Detections
from mrcnn.train.optimizer import build_optimizer
from mrcnn.weights import apply, foreign
from mrcnn.weights.maps import torchvision as torchvision_map
from mrcnn.weights.maps.entries import Form, to_layers

BRANCH_GAMMA = 0.2  # of the last batch norm of each residual branch: 16 blocks let the variance grow by 1.04**16 = 1.9
LOGIT_FACTOR = 4.0  # of the kernels that score anchors and classes
OWN_LOGIT_FACTOR = 60.0  # of the same in torchvision's own models, whose features are smaller


def main() -> None:
    """Runs the command line."""
    parser = peers_work.side_parser(__doc__.split("\n")[0])
    parser.add_argument("--prepare", action="store_true", help="write the weights and images of both sides")
    options = parser.parse_args()
    if options.prepare:
        prepare(options.folder)
        return
    case = peers_work.ALL[options.case]
    choose(options.precision)
    model = build(case, options.folder)
    measured = measure_training if case.training else measure_detection
    print(json.dumps(measured(model, case, options=options)))


def choose(precision: str) -> None:
    """Sets the precision, one of `peers_work.PRECISIONS`, of models that are built afterwards."""
    if precision == "bf16":
        keras.config.set_dtype_policy(BRAIN)


def settings(case: Case) -> RcnnConfig:
    """Returns the architecture that torchvision's side has, too."""
    if case.family != peers_work.MATTERPORT:
        return FAMILIES[case.family](
            detections_per_image=case.detections, score_threshold=case.score_threshold, batch_norm="fixed"
        )
    return MatterportConfig(
        backbone="resnet50",
        rpn_channels=256,
        rpn_delta_std=peers_work.RPN_DELTA_STD,
        pre_nms_topk=peers_work.PRE_NMS[case.training],
        post_nms_topk=peers_work.POST_NMS[False],
        post_nms_topk_train=peers_work.POST_NMS[True],
        detections_per_image=case.detections,
        detection_nms_iou_threshold=peers_work.BOX_NMS_IOU,
        score_threshold=case.score_threshold,
        roi_samples=case.regions,
        roi_positive_fraction=peers_work.POSITIVE_FRACTION,
        roi_positive_iou=peers_work.POSITIVE_IOU,
        weight_decay=peers_work.WEIGHT_DECAY,
    )


def prepare(folder: Path) -> None:
    """Writes the weights, the images and the training batches of all cases, by fixed seeds."""
    keras.utils.set_random_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    model = Matterport(num_classes=peers_work.CLASSES, settings=settings(Case((64, 64))).model_dump())
    np.savez(folder / peers_work.WEIGHTS, **spread(weights_of(model)))
    for family in sorted({case.family for case in peers_work.ALL.values()} - {peers_work.MATTERPORT}):
        case = Case((64, 64), family=family)
        np.savez(peers_work.weight_file(folder, case), **state_dict(new_model(case)))
    for case in peers_work.ALL.values():
        if case.training:
            drawn = speed.noise_batch(
                speed.Case("resnet50", case.size, case.batch), model.settings, objects=peers_work.OBJECTS
            )
            np.savez(peers_work.batch_file(folder, case), **{name: value.numpy() for name, value in drawn.items()})
        else:
            np.savez(peers_work.image_file(folder, case), image=large_image.draw_scene(*case.size))


def new_model(case: Case) -> MaskRCNN:
    """Builds the model of a case with random weights."""
    config = settings(case)
    return BUILDERS[case.family](num_classes=peers_work.CLASSES, settings=config.model_dump())


def state_dict(model: MaskRCNN) -> dict[str, np.ndarray]:
    """Arranges the spread random weights of a model as torchvision's state dict."""
    values = spread(weights_of(model), logits=OWN_LOGIT_FACTOR)
    layers = {layer: {name: values[name] for name, _ in weights} for layer, weights in model.weight_layout()}
    config = model.settings
    form = Form(config.backbone, config.rpn_convolutions, config.box_convolutions)
    return foreign.state_dict_of(layers, code_base="torchvision", form=form)


def weights_of(model: MaskRCNN) -> dict[str, np.ndarray]:
    """Reads the model's weights by their names in weight files, such as `rpn_bbox_pred/kernel:0`."""
    return {name: variable.numpy() for _, entries in model.weight_layout() for name, variable in entries}


def spread(weights: dict[str, np.ndarray], *, logits: float = LOGIT_FACTOR) -> dict[str, np.ndarray]:
    """Scales random weights so that proposals and scores are spread as in a trained network.

    Args:
        weights: by name.
        logits: factor of the kernels that score anchors and classes.
    """
    factors = dict.fromkeys(("rpn_class_raw/kernel:0", "mrcnn_class_logits/kernel:0"), logits)
    factors |= dict.fromkeys((name for name in weights if name.endswith("branch2c/gamma:0")), BRANCH_GAMMA)
    return {name: value * np.float32(factors.get(name, 1)) for name, value in weights.items()}


def build(case: Case, folder: Path) -> MaskRCNN:
    """Builds the model of a case with the stored weights."""
    model = new_model(case)
    if case.family != peers_work.MATTERPORT:
        with np.load(peers_work.weight_file(folder, case)) as stored:
            tensors = dict(stored)
        known = torchvision_map.entries(torchvision_map.form_of(tensors))
        apply.assign(model.weight_layout(), to_layers(known, tensors), source=case.family)
        return model
    with np.load(folder / peers_work.WEIGHTS) as stored:
        for _, entries in model.weight_layout():
            for name, variable in entries:
                variable.assign(stored[name])
    return model


def detection_of(model: MaskRCNN, case: Case, folder: Path) -> Callable[[], list[Detections]]:
    """Makes a call of `Predictor.predict` from a uint8 image to boxes and masks of the image's size."""
    with np.load(peers_work.image_file(folder, case)) as stored:
        image = stored["image"]
    bundle = ModelBundle(
        model=model,
        class_names=tuple(f"class {number}" for number in range(peers_work.CLASSES)),
        class_metas=(),
        input_size=InputSize(min_dim=case.min_dim, max_dim=case.max_dim[0], shape="rectangle"),
        config=settings(case),
    )
    predictor = Predictor(bundle)
    return lambda: predictor.predict([image])


def training_of(model: MaskRCNN, batch: Mapping[str, tf.Tensor]) -> Callable[[], float]:
    """Makes a call of a training step of all layers: forward and backward pass and SGD's update, as `train.py` does."""
    optimizer = build_optimizer(peers_work.LEARNING_RATE, momentum=peers_work.MOMENTUM, global_clipnorm=None)
    step = tf.function(speed.training_step(model, batch, optimizer))

    def call() -> float:
        with native.training():
            return float(step())

    return call


def batch_of(case: Case, folder: Path) -> dict[str, tf.Tensor]:
    """Reads the training batch of a case."""
    with np.load(peers_work.batch_file(folder, case)) as stored:
        return {name: tf.constant(stored[name]) for name in stored.files}


def measure_detection(model: MaskRCNN, case: Case, *, options: argparse.Namespace) -> dict[str, Any]:
    """Times detection in one image."""
    measured, [found] = peers_work.measure(detection_of(model, case, options.folder), options)
    return {**measured, "found": len(found.boxes), "mask_share": float(found.masks.mean())}


def measure_training(model: MaskRCNN, case: Case, *, options: argparse.Namespace) -> dict[str, Any]:
    """Times a training step."""
    batch = batch_of(case, options.folder)
    regions = tf.reduce_sum(tf.cast(model(batch, training=True).box.targets.class_ids > 0, tf.int32))
    measured, loss = peers_work.measure(training_of(model, batch), options)
    return {**measured, "found": int(regions), "loss": loss}


if __name__ == "__main__":
    main()
