"""Derives model settings from the weight shapes of a file without model folder.

The file holds no input size, conventions or class names. Input size and conventions are assumed to be Matterport's; a
file at the place that a folder of the plugin has for it gets the plugin's conventions.
Source: Mask_RCNN's Config (2019) for the input size; its wiki gives no image mean for grey images or more channels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn.config import errors, legacy
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.errors import UserError
from mrcnn.model_folder import class_names, layout
from mrcnn.weights import apply, hdf5, inspect, sizes

INPUT_SIZE = (800, 1024)  # min_dim and max_dim, pixels


def read_facts(path: str | Path) -> inspect.Facts:
    """Reads the facts about a complete Mask R-CNN from a weight file's names and shapes.

    Raises:
        UserError: the file cannot be read, or lacks layers of a Mask R-CNN.
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


def model_config(facts: inspect.Facts, path: str | Path) -> MatterportConfig:
    """Builds a file's model settings: sizes from its facts, conventions by `conventions`.

    Args:
        facts: facts about a complete model, from `read_facts`.
        path: path of the file.

    Raises:
        UserError: the number of anchors per location is not Matterport's three, so their aspect ratios are unknown.
    """
    ratios = MatterportConfig().anchor_aspect_ratios
    if facts.anchors_per_location != len(ratios):
        raise UserError(
            f"{path} has {facts.anchors_per_location} anchors per location and does not contain their shapes: make a "
            "model folder of it and give `model.anchor_aspect_ratios` in its config.json, see docs/weights.md"
        )
    values: dict[str, Any] = {
        **conventions(Path(path)),
        **facts.widths,
        "backbone": facts.backbone,
        "channels": facts.channels,
        "image_mean": image_mean(facts.channels or len(MatterportConfig().image_mean)),
    }
    return errors.check(MatterportConfig, values, path=f"{path}: model")


def conventions(weights: Path) -> Mapping[str, Any]:
    """Returns the known `model` settings of a weight file without config.json.

    They are the plugin's for a file at the plugin's usual path, else Matterport's.
    """
    return legacy.PLUGIN_MODEL if layout.is_in_folder(weights) else legacy.FILE_MODEL


def start_config(path: Path) -> MatterportConfig:
    """Builds the model settings of a weight file that training starts from, whole or in part.

    Args:
        path: of the file. The conventions are those of `conventions`, the widths those of its layers.

    Raises:
        UserError: the file cannot be read.
    """
    with hdf5.read_file(path) as file:
        values = {**conventions(path), **sizes.widths(file.layers)}
    return errors.check(MatterportConfig, values, path=f"{path}: model")


def class_titles(facts: inspect.Facts, path: str | Path, *, classes: class_names.Classes | None) -> tuple[str, ...]:
    """Reads the class names that the user gives for a file.

    Args:
        facts: facts about a complete model, from `read_facts`.
        path: path of the file.
        classes: see `class_names.read_names`; None is an error.

    Returns:
        Title of each class id, the background first.

    Raises:
        UserError: the class names are missing, malformed, or not as many as the file's classes.
    """
    count = facts.num_classes or 0
    if classes is None:
        raise UserError(
            f"{path} is a weight file alone and does not contain the names of its {count - 1} classes: give them by "
            "--classes, as name,name,... or a JSON file with a list, or coco for COCO's 80"
        )
    return class_names.number_names(class_names.read_names(classes), num_classes=count, source=path)


def image_mean(channels: int) -> tuple[float, ...]:
    """Returns the mean of each channel of an image.

    For 3 channels these are Matterport's RGB means. With more channels, the first three are taken as RGB and each
    additional one gets the average of the RGB means; with fewer channels, all get this average.

    Args:
        channels: number of channels.

    Returns:
        A mean for each channel, in 0..255.
    """
    rgb = MatterportConfig().image_mean
    average = sum(rgb) / len(rgb)
    return (*rgb, *[average] * (channels - 3)) if channels >= 3 else (average,) * channels


def input_size(given: Sequence[int] | None) -> InputSize:
    """Checks the user's input size; the default is Matterport's.

    Args:
        given: (min_dim, max_dim) in pixels; None for Matterport's.

    Raises:
        UserError: a side is below 1, or `max_dim` is no multiple of 64.
    """
    low, high = INPUT_SIZE if given is None else given
    return errors.check(InputSize, {"min_dim": low, "max_dim": high}, path="input_size")


def remark(path: str | Path) -> str:
    """Formats the warning for a file of this project without its config.json."""
    return (
        f"{path} was written by this project, but comes without its config.json: it is read by the conventions of "
        f"{conventions(Path(path))['compatibility']}; give its model folder if it has one"
    )


def assumptions(facts: inspect.Facts, path: str | Path) -> tuple[str, ...]:
    """Lists the settings that had to be assumed for a file, one line each."""
    lines = []
    if not facts.old:
        lines.append(remark(path))
    if facts.channels != len(MatterportConfig().image_mean):
        mean = ", ".join(f"{value:g}" for value in image_mean(facts.channels or 1))
        lines.append(
            f"{path} takes images of {facts.channels} channels but does not contain their means; {mean} are "
            "assumed. To set others, give a model folder with `model.image_mean`"
        )
    return tuple(lines)
