"""A weight file that comes alone, as Matterport's users keep them: what its shapes say about the model.

A file does not tell its input size, conventions and classes' names. The first two are Matterport's; a file that lies
where the plugin's folders have it gets the plugin's conventions.
Source: Mask_RCNN's Config (2019) for the input size; its wiki for grey and deeper images has no mean of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.config import errors, legacy
from mrcnn.config.model import ModelConfig
from mrcnn.config.train import InputSize
from mrcnn.errors import UserError
from mrcnn.weights import apply, hdf5, inspect

INPUT_SIZE = (800, 1024)  # min_dim and max_dim, pixels


def read_facts(path: str | Path) -> inspect.Facts:
    """Reads what the names and shapes of a whole model's file tell.

    Raises:
        UserError: the file cannot be read, or lacks a part of a Mask R-CNN.
    """
    with hdf5.read_file(path) as file:
        facts = inspect.facts_of(file)
    if facts.missing:
        kind = "no Mask R-CNN" if len(facts.unknown) == facts.layers else "no whole Mask R-CNN"
        raise UserError(
            f"{path} is {kind}, it lacks {len(facts.missing)} layers ({apply.abridge(facts.missing)}): give another "
            f"file; `python -m mrcnn inspect {path}` says what this one is"
        )
    told = {
        "mrcnn_class_logits": facts.num_classes,
        "rpn_class_raw": facts.anchors_per_location,
        "conv1": facts.channels,
    }
    for layer, number in told.items():
        if not number:
            raise UserError(f"{path} has no usable kernel of {layer}: it is damaged, copy or download it again")
    return facts


def model_config(facts: inspect.Facts, path: str | Path) -> ModelConfig:
    """Makes the settings of a file's network: sizes from the file, conventions by `legacy.file_model`.

    Args:
        facts: of a whole model.
        path: of the file.

    Raises:
        UserError: it has another number of anchors per location than Matterport's three, whose shapes it does not
            tell.
    """
    ratios = ModelConfig().anchor_aspect_ratios
    if facts.anchors_per_location != len(ratios):
        raise UserError(
            f"{path} has {facts.anchors_per_location} anchors per location and does not tell their shapes: make a "
            "model folder of it and give `model.anchor_aspect_ratios` in its config.json, see docs/weights.md"
        )
    values: dict[str, Any] = {
        **legacy.file_model(Path(path)),
        **facts.widths,
        "backbone": facts.backbone,
        "channels": facts.channels,
        "image_mean": image_mean(facts.channels or len(ModelConfig().image_mean)),
    }
    return errors.check(ModelConfig, values, path=f"{path}: model")


def image_mean(channels: int) -> tuple[float, ...]:
    """Gives the mean of each channel of an image: Matterport's for RGB, elsewhere the average of those three.

    The channels after the third of four and more are taken for additions to RGB.
    """
    rgb = ModelConfig().image_mean
    average = sum(rgb) / len(rgb)
    return (*rgb, *[average] * (channels - 3)) if channels >= 3 else (average,) * channels


def input_size(given: Sequence[int] | None) -> InputSize:
    """Gives Matterport's input size, or the (min_dim, max_dim) that the user gave.

    Raises:
        UserError: a side is below 1, or `max_dim` is no multiple of 64.
    """
    low, high = INPUT_SIZE if given is None else given
    return errors.check(InputSize, {"min_dim": low, "max_dim": high}, path="input_size")


def remark(path: str | Path) -> str:
    """Says by which conventions a file of this project is read that comes without its config.json."""
    return (
        f"{path} was written by this project, but comes without its config.json: it is read by the conventions of "
        f"{legacy.file_model(Path(path))['compatibility']}; give its model folder if it has one"
    )


def assumptions(facts: inspect.Facts, path: str | Path) -> tuple[str, ...]:
    """Lists what a file leaves open and had to be assumed, one line each."""
    lines = []
    if not facts.old:
        lines.append(remark(path))
    if facts.channels != len(ModelConfig().image_mean):
        mean = ", ".join(f"{value:g}" for value in image_mean(facts.channels or 1))
        lines.append(
            f"{path} takes images of {facts.channels} channels and does not tell their means, taken are {mean}; a "
            "model folder's `model.image_mean` gives others"
        )
    return tuple(lines)
