"""Derives model settings from a detector of torchvision or detectron2 without a model folder.

The file holds neither input size nor class names: the published ones are assumed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn.config import errors, family, keypoints
from mrcnn.config.input_size import InputSize
from mrcnn.config.model import CASCADE_DELTA_STD, CASCADE_IOUS, ModelConfig
from mrcnn.errors import UserError
from mrcnn.model_folder import class_names
from mrcnn.weights import foreign, published, sizes
from mrcnn.weights.foreign import ForeignFile

INPUT_SIZE = (800, 1333)  # min_dim and max_dim of both code bases, pixels
COCO_CATEGORIES = 91  # torchvision numbers COCO's classes by their category ids, of which 10 are not used
# the category ids that COCO's instance annotations skip
UNUSED_CATEGORIES = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def read_detector(path: Path) -> ForeignFile:
    """Reads a weight file and checks that it holds a whole detector.

    Raises:
        UserError: the file cannot be read, holds a backbone alone, or has layers that no model here has.
    """
    file = foreign.read(path)
    if not file.is_detector:
        raise UserError(
            f"{path} holds the backbone of a model alone, a {file.backbone} of {file.code_base}: give a whole model, "
            "or train one with `weights_init_type` imagenet and this file as `imagenet_weights`"
        )
    file.require_known_parts()
    return file


def model_config(file: ForeignFile) -> ModelConfig:
    """Builds the model settings of a detector from the sizes of its tensors.

    A published file, recognised by its name, has further known settings.

    Raises:
        UserError: a layer is missing from which a setting is derived, or the settings are invalid.
    """
    known = published.of_file(file.path)
    values = {**sizes.widths(file.layers()), **file.settings(), **(known.settings if known else {})}
    if file.num_keypoints:
        values["keypoints"] = keypoints.numbered(file.num_keypoints).model_dump()
    if file.num_stuff:
        values["stuff_classes"] = class_names.stuff_names(file.num_stuff)
    if file.box_stages > 1:
        values |= _cascade(file)
    return errors.check(family.record_of(values), values, path=f"{file.path}: model")


def class_titles(file: ForeignFile, *, classes: class_names.Classes | None) -> tuple[str, ...]:
    """Names the classes of a detector.

    Args:
        file: the detector.
        classes: the class names that the user gives, see `class_names.read_names`; None for those of a published file
            of the same name, or COCO's where the detector has as many classes.

    Returns:
        Title of each class id, the background first.

    Raises:
        UserError: the class names are missing, malformed, or not as many as the file's classes.
    """
    count = file.num_classes
    known = published.of_file(file.path)
    if classes is None and known is not None:
        classes = known.classes
    if classes is None and file.is_coco:
        classes = class_names.COCO
    if classes is None:
        raise UserError(
            f"{file.path} is a weight file alone and does not contain the names of its {count - 1} classes: give them "
            "by --classes, as name,name,... or a JSON file with a list, or coco for COCO's 80"
        )
    names = class_names.read_names(classes)
    if count == COCO_CATEGORIES and names == class_names.COCO_NAMES:
        names = _by_category_id(names)
    return class_names.number_names(names, num_classes=count, source=file.path)


def input_size(given: Sequence[int] | None) -> InputSize:
    """Checks the user's input size; the default is the published one.

    Args:
        given: (min_dim, max_dim) in pixels; None for the published one.

    Raises:
        UserError: a side is below 1.
    """
    low, high = INPUT_SIZE if given is None else given
    return errors.check(InputSize, {"min_dim": low, "max_dim": high, "shape": "rectangle"}, path="input_size")


def assumptions(file: ForeignFile, *, classes: class_names.Classes | None) -> tuple[str, ...]:
    """Lists the settings that had to be assumed, one line each; `classes` is the user's."""
    if published.of_file(file.path) is not None:
        return ()
    lines = []
    if classes is None and file.is_coco:
        lines.append(f"{file.path} does not contain its class names: COCO's are assumed; to set others, give --classes")
    if file.num_stuff:
        assumed = "COCO's" if file.num_stuff == len(class_names.COCO_STUFF) else "numbers"
        lines.append(
            f"{file.path} does not contain the names of its {file.num_stuff} stuff classes: {assumed} are assumed; to "
            "set others, give a model folder with `model.stuff_classes`"
        )
    lines += epsilon_remarks(file, fix="give a model folder with `model.norm_epsilon`")
    if file.box_stages > 1:
        lines.append(
            f"{file.path} does not contain the numbers of its cascade's stages: detectron2's are assumed; to set "
            "others, give a model folder with `model.cascade_ious` and `model.cascade_delta_std`"
        )
    if file.code_base == "detectron2":
        lines.append(
            f"{file.path} does not contain how images enter: BGR without division and the stride in the 1x1 "
            "convolutions are assumed, as in detectron2's MSRA models; to set others, give a model folder with "
            "`model.image_order`, `model.image_mean`, `model.image_std` and `model.stride_in`"
        )
    return tuple(lines)


def epsilon_remarks(file: ForeignFile, *, fix: str) -> tuple[str, ...]:
    """Formats the warning that the epsilon of the batch norms had to be assumed.

    Args:
        file: the detector.
        fix: how the user sets another one.

    Returns:
        At most one line: only torchvision's first version has weights of both kinds, and a published file is known.
    """
    if published.of_file(file.path) is not None or file.settings()["family"] != "torchvision":
        return ()
    return (
        f"{file.path} does not contain the epsilon of its batch norms: 1e-05 is assumed; torchvision's published "
        f"weights and what was trained from them have 0. To set it, {fix}",
    )


def _cascade(file: ForeignFile) -> dict[str, Any]:
    """Collects the published numbers of a cascade's stages; fewer stages have those of the first ones."""
    stages, known = file.box_stages, len(CASCADE_IOUS)
    if stages > known:
        raise UserError(
            f"{file.path} has a cascade of {stages} stages but not their numbers, which are known for {known}: make a "
            "model folder of it and give `model.cascade_ious` and `model.cascade_delta_std` in its config.json"
        )
    return {"cascade_ious": CASCADE_IOUS[:stages], "cascade_delta_std": CASCADE_DELTA_STD[:stages]}


def _by_category_id(names: Sequence[str]) -> tuple[str, ...]:
    """Lists COCO's names by category id, from 1, with placeholders for unused ids."""
    remaining = iter(names)
    return tuple(
        f"unused {number}" if number in UNUSED_CATEGORIES else next(remaining) for number in range(1, COCO_CATEGORIES)
    )
