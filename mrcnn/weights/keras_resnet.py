"""Converts ImageNet weights of keras.applications' ResNets to Matterport's ResNet.

The convolutions of ResNet-50 and ResNet-101 are the same in both (stride in the first 1x1, a bias in each). Only the
pooling of the stem differs: keras.applications pads one cell on each side; this project, like Matterport's graph, does
not pad even sizes at the top and left. The weights are converted exactly. They differ in the layer names
(`conv2_block1_0_conv` is `res2a_branch1`), in the order of conv1's input channels (BGR in keras.applications, RGB
here), and in the batch norm's epsilon (1.001e-5 in keras.applications, 1e-3 here), which is folded into gamma.
Source: keras.applications.resnet, preprocessing of the kind "caffe".
"""

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import apply, checked, download, hdf5, names

STORED_EPSILON = 1.001e-5
MODEL_EPSILON = 1e-3
BRANCHES = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}  # keras.applications -> Matterport
STAGE4_DEPTHS = {6: 50, 23: 101, 36: 152}  # number of blocks in stage 4 -> depth

Arrays = dict[str, dict[str, np.ndarray]]  # {layer: {kernel | bias | gamma | …: values}}


def load_imagenet(layout: hdf5.Layout, source: str | os.PathLike | None, depth: int | str) -> apply.LoadReport:
    """Loads ImageNet weights into the backbone; the other layers are unchanged.

    Args:
        layout: the model's layers with their weights. The weights are adapted to a conv1 without exactly 3 input
            channels.
        source: an HDF5 file of keras.applications' ResNet (weights or model, by name, or Keras 3's `.weights.h5`). None
            downloads the official file.
        depth: 50 or 101, or `resnet50`, `resnet101`.

    Returns:
        The loaded and the missing layers of the backbone. The source may lack layers, except conv1. A batch norm
        without its convolution is not loaded, since its statistics are those of that convolution's features.

    Raises:
        UserError: the source is unusable, lacks conv1, is of a ResNet of another depth, or differs in a shape.
    """
    depth = names.depth_number(depth)
    source = download.imagenet_file(depth) if source is None else os.fspath(source)
    backbone = [(layer, weights) for layer, weights in layout if names.is_backbone(layer)]
    path = Path(source)
    found = _read_file(path)
    _check_depth(found, depth, source=path)
    _check_layers(found, depth, source=source)
    stored, lone_norms = _convert(found, depth)
    report = apply.assign(backbone, stored, source=source, adapt_conv1=True)
    notes = ["conv1 turned from BGR to RGB input, batch norm's epsilon folded into gamma", *report.notes]
    if lone_norms:
        notes.append(f"not taken, as their convolutions are missing: {apply.abridge(lone_norms)}")
    return dataclasses.replace(report, notes=tuple(notes))


def keras_names(depth: int) -> dict[str, str]:
    """Maps Matterport's ResNet layer names to keras.applications' names.

    For example, `res2a_branch1` is `conv2_block1_0_conv`.
    """
    pairs = {"conv1": "conv1_conv", "bn_conv1": "conv1_bn"}
    for stage, number, block in names.blocks(depth):
        for digit, branch in BRANCHES.items():
            if digit == "0" and number > 1:
                continue  # only a stage's first block has a convolution in its shortcut
            pairs[f"res{block}_branch{branch}"] = f"conv{stage}_block{number}_{digit}_conv"
            pairs[f"bn{block}_branch{branch}"] = f"conv{stage}_block{number}_{digit}_bn"
    return pairs


def fold_epsilon(gamma: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Scales gamma so that batch norm with `MODEL_EPSILON` equals that with `STORED_EPSILON`.

    This holds for batch norm with fixed statistics.

    Args:
        gamma: `[channels]`.
        variance: `[channels]`, the moving variance.

    Returns:
        `[channels]` float32: gamma * sqrt((variance + 1e-3) / (variance + 1.001e-5)).
    """
    wide = variance.astype(np.float64)
    return (gamma * np.sqrt((wide + MODEL_EPSILON) / (wide + STORED_EPSILON))).astype(np.float32)


def _convert(found: Arrays, depth: int) -> tuple[Arrays, list[str]]:
    """Converts names and values; also lists the batch norms dropped without their convolution."""
    foreign = keras_names(depth)
    stored: Arrays = {}
    lone_norms = []
    for layer, name in foreign.items():
        if name not in found:
            continue
        values = dict(found[name])
        if name.endswith("_bn"):
            if name.removesuffix("bn") + "conv" not in found:
                lone_norms.append(layer)
                continue
            values["gamma"] = fold_epsilon(values["gamma"], values["moving_variance"])
        elif layer == "conv1":
            values["kernel"] = values["kernel"][:, :, ::-1]
        stored[layer] = {f"{layer}/{kind}:0": array for kind, array in values.items()}
    return stored, lone_norms


def _read_file(path: Path) -> Arrays:
    with checked.open_file(path) as handle, checked.damaged(path):
        if hdf5.is_keras3(handle):
            return _read_keras3(handle, path)
    with hdf5.read_file(path) as file:
        return {layer: _arrays(weights, path) for layer, weights in file.layers.items()}


def _arrays(weights: Mapping[str, Any], path: Path) -> dict[str, np.ndarray]:
    return {
        hdf5.kind_of(name): hdf5.read_array(dataset, where=f"weight {name} of {path}")
        for name, dataset in weights.items()
    }


def _read_keras3(handle: h5py.File, path: Path) -> Arrays:
    """Reads `layers/<class>_<n>/vars/<i>`; the layer's name is an attribute of `vars`."""
    found: Arrays = {}
    for group in handle.get("layers", {}).values():
        variables = group.get("vars", {})
        name = variables.attrs.get("name", "") if len(variables) else ""
        kinds = names.NORM_WEIGHTS if name.endswith("_bn") else names.CONV_WEIGHTS
        if name:
            pairs = zip(kinds, sorted(variables, key=int), strict=False)
            found[name] = _arrays({kind: variables[index] for kind, index in pairs}, path)
    return found


def _check_depth(found: Iterable[str], depth: int, *, source: Path) -> None:
    """Rejects weights of another depth, whose layers of equal names have other features."""
    matches = (re.match(r"conv4_block(\d+)_", name) for name in found)
    stored = STAGE4_DEPTHS.get(max((int(match[1]) for match in matches if match), default=0), depth)
    if stored != depth:
        fix = f"set `model.backbone` to resnet{stored}" if stored in names.BLOCKS else "give a ResNet-50 or ResNet-101"
        raise UserError(f"{source} holds a ResNet-{stored}, the model has a ResNet-{depth}: {fix}")


def _check_layers(found: Arrays, depth: int, *, source: str) -> None:
    """Checks that conv1 with its batch norm exists and that no layer is incomplete."""
    for name in ("conv1_conv", "conv1_bn"):
        if name not in found:
            has = apply.abridge(list(found)) or "nothing of a ResNet"
            raise UserError(
                f"{source} lacks {name} of keras.applications' ResNet-{depth}, it has {has}: give that network's "
                "weights; those of a trained Mask R-CNN are loaded by `transfer_learning`"
            )
    for name in keras_names(depth).values():
        kinds = names.NORM_WEIGHTS if name.endswith("_bn") else names.CONV_WEIGHTS
        lacking = [kind for kind in kinds if kind not in found.get(name, kinds)]
        if lacking:
            raise UserError(f"{source}: layer {name} lacks {', '.join(lacking)}: give a plain (V1) ResNet-{depth}")
