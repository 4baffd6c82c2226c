"""Reads ImageNet weights of keras.applications' ResNets under this project's layer names.

Source: keras.applications.resnet; the images are preprocessed in the kind "caffe".
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mrcnn.errors import UserError
from mrcnn.weights import apply, checked, hdf5, names
from mrcnn.weights.maps.entries import Layers

STORED_EPSILON = 1.001e-5
BRANCHES = {"0": "1", "1": "2a", "2": "2b", "3": "2c"}  # keras.applications -> Matterport
STAGE4_DEPTHS = {6: 50, 23: 101, 36: 152}  # number of blocks in stage 4 -> depth

Arrays = dict[str, dict[str, np.ndarray]]  # {layer: {kernel | bias | gamma | …: values}}


def read_resnet(path: Path, *, depth: int) -> tuple[Layers, list[str]]:
    """Reads a ResNet of keras.applications under this project's names, with unchanged values.

    Args:
        path: an HDF5 file (weights or model, by name, or Keras 3's `.weights.h5`).
        depth: 50 or 101.

    Returns:
        The values by layer and weight, and the batch norms that were left out since their convolutions, whose features
        their statistics belong to, are missing. The file may lack layers, except conv1.

    Raises:
        UserError: the file is unusable, lacks conv1 or a weight of a layer, or is of a ResNet of another depth.
    """
    found = _read_file(path)
    _check_depth(found, depth, source=path)
    _check_layers(found, depth, source=str(path))
    return _renamed(found, depth)


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


def _renamed(found: Arrays, depth: int) -> tuple[Layers, list[str]]:
    """Converts the names; also lists the batch norms dropped without their convolution."""
    stored: Layers = {}
    lone_norms = []
    for layer, name in keras_names(depth).items():
        if name not in found:
            continue
        if name.endswith("_bn") and name.removesuffix("bn") + "conv" not in found:
            lone_norms.append(layer)
        else:
            stored[layer] = {f"{layer}/{kind}:0": array for kind, array in found[name].items()}
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
