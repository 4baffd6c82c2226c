"""Describes the content of a weight file of torchvision or detectron2 for `inspect`."""

from collections.abc import Mapping

import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import apply, published, sizes
from mrcnn.weights.foreign import ForeignFile

SCORES = "cls_logits.weight", "objectness_logits.weight"  # ends of the names of the RPN's scores


def lines(file: ForeignFile) -> list[str]:
    """Formats the facts about a file as lines to print.

    Args:
        file: a detector or a backbone.

    Raises:
        UserError: a tensor has a shape that its layer cannot have.
    """
    total = sum(values.size for values in file.tensors.values())
    result = [
        file.path,
        f"  form: {file.form}, {_origin(file)}",
        f"  content: {len(file.tensors)} tensors, {total:,} parameters",
        *([f"  family: {file.settings()['family']}"] if file.is_detector else []),
        f"  backbone: {file.backbone}",
    ]
    if file.is_detector:
        result += _detector_lines(file)
    if file.unknown:
        result.append(f"  not of this model: {len(file.unknown)}: {apply.abridge(file.unknown)}")
    if file.missing:
        result.append(f"  the model also needs {len(file.missing)} tensors: {apply.abridge(file.missing)}")
    return [*result, f"  loads: {_verdict(file)}"]


def _origin(file: ForeignFile) -> str:
    base = "Caffe2" if file.is_caffe2 else file.code_base
    author = f", by {file.author}" if file.author else ""
    return f"{'whole model' if file.is_detector else 'ResNet'} of {base}{author}"


def _detector_lines(file: ForeignFile) -> list[str]:
    stages = f" (cascade of {file.box_stages} stages)" if file.box_stages > 1 else ""
    settings = file.settings()
    named = {"masks": f"masks ({settings['mask_head']})"} if "mask_head" in settings else {}
    others = [*settings["heads"], *settings.get("extra_heads", ())]
    heads = ", ".join([f"boxes{stages}", *(named.get(head, head) for head in others)])
    widths = sizes.widths(file.layers())
    found = [
        f"  classes with background: {_number(_num_classes(file))}",
        f"  anchors per location: {_number(_outputs(file.tensors, SCORES))}",
        f"  input channels: {file.settings()['channels']}",
        f"  heads: {heads}",
    ]
    if widths:
        found.append("  sizes: " + ", ".join(f"{key} {value}" for key, value in widths.items()))
    return found


def _num_classes(file: ForeignFile) -> int | None:
    try:
        return file.num_classes
    except UserError:
        return None


def _outputs(tensors: Mapping[str, np.ndarray], ends: tuple[str, ...]) -> int | None:
    return next((len(values) for name, values in tensors.items() if name.endswith(ends) and values.ndim), None)


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _verdict(file: ForeignFile) -> str:
    settings = file.settings() if file.is_detector else {}
    if file.foreign_parts:
        return "no; the tensors that are not of this model change what it detects"
    if file.missing:
        what = "the model" if file.is_detector else "the backbone"
        return f"not by itself, {what} is not complete"
    if not file.is_detector:
        return f"as `imagenet_weights`, into the {file.backbone} of every family"
    family, heads = settings["family"], [*settings["heads"], *settings.get("extra_heads", ())]
    whole = f"everything into a {family} model with {file.backbone}, {file.num_classes} classes and heads {heads}"
    if published.of_file(file.path):
        return f"{whole}; it is a published file, whose class names are known"
    needs = f"--classes must name the {file.num_classes - 1} besides the background"
    coco = "; without it COCO's are assumed" if file.is_coco else ""
    return f"{whole}; without a model folder, {needs}{coco}"
