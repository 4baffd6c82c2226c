"""Loads ImageNet weights of a ResNet into the backbone of any family.

The files are those of keras.applications, torchvision, detectron2 and Caffe2. They differ in four things that are
converted exactly: the order and the divisors of the input's channels (in the first convolution's kernel), the biases of
convolutions (in the batch norms' means), and the epsilon of the batch norms. Two differences remain: the convolution
that has a block's stride, which is logged, and the padding of the stem (Matterport's graph does not pad even sides
at the top and left). The mean pixel values that are subtracted from images differ by rounding alone.
Sources: keras.applications.resnet, kind "caffe"; torchvision 0.29, `models/resnet.py`; detectron2 at 02b5c4e2,
`checkpoint/c2_model_loading.py` and tools/convert-torchvision-to-d2.py.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrcnn.errors import UserError
from mrcnn.structures import ResNetRules
from mrcnn.weights import apply, foreign, hdf5, keras_resnet, names
from mrcnn.weights.maps.entries import Layers

TORCHVISION = "torchvision"
TORCH_STD = (58.395, 57.12, 57.375)  # torchvision's, of RGB values of 0-255
TORCH_EPSILON = 1e-5


class Source(NamedTuple):
    """The ResNet of an ImageNet file.

    Attributes:
        layers: its values by layer and weight.
        rules: the conventions of the network that they were trained in.
        left_out: batch norms whose convolutions are missing in the file.
    """

    layers: Layers
    rules: ResNetRules
    left_out: tuple[str, ...] = ()


def load_imagenet(layout: hdf5.Layout, source: str | os.PathLike[str], rules: ResNetRules) -> apply.LoadReport:
    """Loads ImageNet weights into the backbone; the other layers are unchanged.

    Args:
        layout: the model's layers with their weights. The weights are adapted to a conv1 without exactly 3 input
            channels.
        source: a file of keras.applications' ResNet in HDF5, or of torchvision's, detectron2's or Caffe2's.
        rules: those of the model's ResNet.

    Returns:
        The loaded and the missing layers of the backbone. A file of keras.applications may lack layers, except conv1.

    Raises:
        UserError: the source is unusable, incomplete, of a ResNet of another depth, or differs in a shape.
    """
    found = read_source(Path(source), backbone=rules.backbone)
    backbone = [(layer, weights) for layer, weights in layout if names.is_backbone(layer)]
    kinds = {layer: {hdf5.kind_of(name) for name, _ in weights} for layer, weights in backbone}
    stored, notes = convert(found, rules, kinds)
    report = apply.assign(backbone, stored, source=os.fspath(source), adapt_conv1=True)
    return dataclasses.replace(report, notes=(*notes, *report.notes))


def read_source(path: Path, *, backbone: str) -> Source:
    """Reads an ImageNet file of any code base.

    Args:
        path: as for `load_imagenet`.
        backbone: the model's, `resnet50` or `resnet101`.

    Raises:
        UserError: as `load_imagenet`.
    """
    if not foreign.is_foreign(path):
        layers, lone = keras_resnet.read_resnet(path, depth=names.depth_number(backbone))
        rules = ResNetRules(backbone, "keras", "bgr", epsilon=keras_resnet.STORED_EPSILON)
        return Source(layers, rules, tuple(lone))
    file = foreign.read(path)
    _check(file, backbone)
    if TORCHVISION in (file.code_base, file.author):
        return Source(file.layers(), ResNetRules(backbone, TORCHVISION, "rgb", TORCH_STD, TORCH_EPSILON, "3x3"))
    return Source(file.layers(), ResNetRules(backbone, "detectron2", "bgr", epsilon=TORCH_EPSILON))


def convert(source: Source, rules: ResNetRules, kinds: Mapping[str, set[str]]) -> tuple[Layers, list[str]]:
    """Converts the weights of a ResNet to the rules of another one.

    Both then compute the same from the same images.

    Args:
        source: the weights.
        rules: those of the model.
        kinds: the weights of each layer of the model, such as `kernel` and `bias`.

    Returns:
        The converted values, and sentences on the conversions.
    """
    found = {layer: dict(weights) for layer, weights in source.layers.items()}
    folded = _fold_biases(found, kinds)
    for layer, weights in found.items():
        if f"{layer}/gamma:0" in weights:
            weights |= _with_epsilon(layer, weights, stored=source.rules.epsilon, wanted=rules.epsilon)
    notes = []
    if "conv1" in found:
        kernel = np.asarray(found["conv1"]["conv1/kernel:0"])
        found["conv1"]["conv1/kernel:0"], adapted = _first_kernel(kernel, source.rules, rules)
        notes = [adapted] if adapted else []
    if source.left_out:
        notes.append(f"not taken, as their convolutions are missing: {apply.abridge(source.left_out)}")
    return found, [*_remarks(source.rules, rules, folded), *notes]


def first_kernel(kernel: np.ndarray, source: ResNetRules, rules: ResNetRules) -> np.ndarray:
    """Converts the first convolution's kernel to images of another order and other divisors.

    Args:
        kernel: `[h, w, 3, out]`, of the source.
        source: the rules of the source.
        rules: those of the model; with as many divisors as it has channels.

    Returns:
        `[h, w, channels, out]` float32; of other than 3 channels as `apply.fit_input_channels`.
    """
    of_values = kernel / np.asarray(source.image_std, np.float64)[:, None]  # acts on values of 0-255
    if source.image_order != rules.image_order:
        of_values = of_values[:, :, ::-1]
    fitted = apply.fit_input_channels(of_values, len(rules.image_std))
    return np.asarray(fitted * np.asarray(rules.image_std, np.float64)[:, None], np.float32)


def fold_epsilon(
    gamma: np.ndarray, variance: np.ndarray, *, stored: float, wanted: float
) -> tuple[np.ndarray, np.ndarray]:
    """Changes a batch norm so that one with another epsilon equals it, for fixed statistics.

    If the wanted epsilon is smaller, the difference is added to the variance, so that the sum of both is never 0. If it
    is larger, it is folded into gamma, since the variance could become negative.

    Args:
        gamma: `[channels]`.
        variance: `[channels]`, the moving variance.
        stored: epsilon of the source.
        wanted: epsilon of the model.

    Returns:
        Gamma and variance, `[channels]` float32.
    """
    wide = variance.astype(np.float64)
    if wanted <= stored:
        return gamma, (wide + (stored - wanted)).astype(np.float32)
    return (gamma * np.sqrt((wide + wanted) / (wide + stored))).astype(np.float32), variance


def _check(file: foreign.ForeignFile, backbone: str) -> None:
    if file.is_detector:
        raise UserError(
            f"{file.path} holds a whole detector of {file.code_base}: give it as --model and set `weights_init_type` "
            "to transfer_learning, or give an ImageNet ResNet as `imagenet_weights`"
        )
    more = [name for name in file.unknown if "conv" in name]
    if more:
        raise UserError(f"{file.path} holds {more[0]}, which no {file.backbone} has: give a ResNet-50 or ResNet-101")
    if file.backbone != backbone:
        raise UserError(
            f"{file.path} holds a {file.backbone}, the model has a {backbone}: set `model.backbone` to {file.backbone}"
        )
    if file.missing:
        raise UserError(
            f"{file.path} lacks {len(file.missing)} tensors of a {backbone} ({apply.abridge(file.missing)}): give a "
            "complete file"
        )


def _fold_biases(found: Layers, kinds: Mapping[str, set[str]]) -> list[str]:
    """Folds biases that the model lacks into batch norms, and adds missing ones as zeros.

    Args:
        found: the weights, changed in place.
        kinds: as for `convert`.

    Returns:
        Sentences on what was done.
    """
    moved = added = 0
    for layer, weights in found.items():
        kernel, bias = weights.get(f"{layer}/kernel:0"), weights.get(f"{layer}/bias:0")
        if kernel is None or layer not in kinds:
            continue
        norm = found.get(_norm_of(layer))
        if bias is None and "bias" in kinds[layer]:
            weights[f"{layer}/bias:0"] = np.zeros(kernel.shape[-1:], np.float32)
            added += 1
        elif bias is not None and "bias" not in kinds[layer] and norm is not None:
            name = f"{_norm_of(layer)}/moving_mean:0"
            norm[name] = np.asarray(norm[name] - bias, np.float32)
            del weights[f"{layer}/bias:0"]
            moved += 1
    moves = [f"{moved} biases folded into the means of the batch norms"] if moved else []
    return [*moves, *([f"{added} biases start at 0"] if added else [])]


def _norm_of(layer: str) -> str:
    return f"bn_{layer}" if layer == "conv1" else f"bn{layer.removeprefix('res')}"


def _with_epsilon(
    layer: str, weights: Mapping[str, np.ndarray], *, stored: float, wanted: float
) -> dict[str, np.ndarray]:
    gamma, variance = f"{layer}/gamma:0", f"{layer}/moving_variance:0"
    changed = fold_epsilon(weights[gamma], weights[variance], stored=stored, wanted=wanted)
    return dict(zip((gamma, variance), changed, strict=True))


def _first_kernel(kernel: np.ndarray, source: ResNetRules, rules: ResNetRules) -> tuple[np.ndarray, str]:
    """Converts the first kernel if it has the source's channels; notes a change of their number."""
    count, wanted = kernel.shape[2] if kernel.ndim == 4 else 0, len(rules.image_std)
    if count != len(source.image_std):
        return kernel, ""  # its shape is refused later, with the layer's name
    note = apply.channel_note("conv1/kernel", stored=count, wanted=wanted) if count != wanted else ""
    return first_kernel(kernel, source, rules), note


def _remarks(source: ResNetRules, rules: ResNetRules, folded: list[str]) -> list[str]:
    parts = []
    if source.image_order != rules.image_order:
        parts.append(f"conv1 turned from {source.image_order.upper()} to {rules.image_order.upper()} input")
    if set(source.image_std) != set(rules.image_std):
        divisors = ", ".join(f"{value:g}" for value in rules.image_std)
        parts.append(f"conv1 scaled to input that is divided by {divisors}")
    if source.epsilon != rules.epsilon:
        where = "gamma" if rules.epsilon > source.epsilon else "the variance"
        parts.append(f"batch norm's epsilon folded into {where}")
    remarks = [", ".join([*parts, *folded])] if parts or folded else []
    if source.stride_in != rules.stride_in:
        remarks.append(
            f"its strides are in the {source.stride_in} convolutions, the model's in the {rules.stride_in} ones: the "
            "features differ until they are trained"
        )
    return remarks
