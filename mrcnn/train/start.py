"""Loads the start weights of a new model.

Source: Supervisely Mask R-CNN plugin 5.16 for what each kind loads. Unlike it, layers that were not loaded are
reported, and a missing backbone is an error instead of random weights.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.model_folder.start_model import StartModel
from mrcnn.structures import ResNetRules
from mrcnn.weights import apply, download, hdf5, imagenet, names, published

StartKind = Literal["transfer_learning", "continue_training", "random", "imagenet"]


def find_imagenet_source(source: str | None, *, resnet: ResNetRules | None) -> str:
    """Finds the file of ImageNet weights, before any data is read.

    Args:
        source: path of the file; None downloads that of the family's code base once.
        resnet: the model's ResNet; None for a model of another backbone.

    Returns:
        The path of the file.

    Raises:
        UserError: they do not exist, the download failed, or the backbone is no ResNet.
    """
    wanted = _require(resnet)
    if source is None:
        file = published.BACKBONES.get((wanted.code_base, wanted.backbone))
        return download.published_file(file) if file else download.imagenet_file(names.depth_number(wanted.backbone))
    if not Path(source).exists():
        raise UserError(
            f"`imagenet_weights` {source} does not exist; give a ResNet of keras.applications (.h5), torchvision "
            "(.pth) or detectron2 (.pkl), or null"
        )
    return source


def load_start_weights(
    layout: hdf5.Layout,
    kind: StartKind,
    *,
    start_model: StartModel | None,
    imagenet_weights: str | None,
    resnet: ResNetRules | None,
    class_layers: Collection[str],
    log: EventLog,
) -> frozenset[str]:
    """Loads the start weights that `weights_init_type` selects and reports the layers.

    Args:
        layout: the model's variables under their names in the file.
        kind: the layers to load: all but those that depend on the classes (`transfer_learning`), all
            (`continue_training`), the ResNet (`imagenet`), or none (`random`).
        start_model: the weights for `transfer_learning` and `continue_training`.
        imagenet_weights: a path for `imagenet`; None downloads.
        resnet: the model's ResNet; None for another backbone, which `imagenet` does not fit.
        class_layers: names of the layers that depend on the classes.
        log: receives the report.

    Returns:
        Names of the layers that were loaded; the others are random.

    Raises:
        UserError: a file is missing or does not fit, or lacks a part of the backbone.
    """
    if kind == "random":
        log.info("weights: random")
        return frozenset()
    if kind == "imagenet":
        path = find_imagenet_source(imagenet_weights, resnet=resnet)
        report = imagenet.load_imagenet(layout, path, _require(resnet))
    else:
        if start_model is None:
            raise UserError(f"`weights_init_type` {kind} needs start weights; give --model")
        new = class_layers if kind == "transfer_learning" else ()
        report = apply.load_into(layout, start_model.weights, exclude=new, adapt_conv1=kind == "transfer_learning")
        apply.require_backbone(report)
    for line in report.lines():
        log.info(line)
    return frozenset(report.loaded)


def random_and_frozen(layout: hdf5.Layout, loaded: Collection[str]) -> list[str]:
    """Lists the layers that are neither loaded nor trained, and so stay random.

    Batch norms are not listed: their first values, of no effect, are not random.
    """
    return [
        layer
        for layer, weights in layout
        if layer not in loaded
        and not any(variable.trainable for _, variable in weights)
        and not all(hdf5.kind_of(name) in names.NORM_WEIGHTS for name, _ in weights)
    ]


def _require(resnet: ResNetRules | None) -> ResNetRules:
    if resnet is None:
        raise UserError("`weights_init_type` imagenet needs a model with a ResNet, and this one has none; use random")
    return resnet
