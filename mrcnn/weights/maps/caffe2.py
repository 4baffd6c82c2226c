"""Names of the ResNets that Caffe2 stored, as in detectron2's ImageNet files `MSRA/R-50.pkl` and `R-101.pkl`.

Their batch norms have only a factor and a shift, no statistics.
Source: detectron2 at 02b5c4e2, `checkpoint/c2_model_loading.py`: names and meaning of the blobs.
"""

import re
from collections.abc import Collection

import numpy as np

from mrcnn.weights.maps.entries import Tensors

EPSILON = 1e-5  # detectron2's batch norm adds it to the variance, which therefore is 1 less this
_BLOCK = re.compile(r"res(\d)_(\d+)_branch(1|2a|2b|2c)_(w|bn_s|bn_b)")
_PLACES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}
_ENDS = {"w": "weight", "bn_s": "norm.weight", "bn_b": "norm.bias"}
_STEM = {"conv1_w": "weight", "res_conv1_bn_s": "norm.weight", "res_conv1_bn_b": "norm.bias"}


def is_backbone(tensors: Collection[str]) -> bool:
    """Checks whether tensors are those of such a ResNet; `tensors` are their names."""
    return "conv1_w" in tensors and "res2_0_branch2a_w" in tensors


def as_detectron2(tensors: Tensors) -> dict[str, np.ndarray]:
    """Renames the tensors to detectron2's names and adds the statistics of the batch norms.

    Args:
        tensors: those of a file for which `is_backbone` is true.

    Returns:
        The tensors of the ResNet, in their order; others keep their names.
    """
    found: dict[str, np.ndarray] = {}
    for name, values in tensors.items():
        new = _renamed(name)
        found[new] = values
        if new.endswith("norm.weight"):
            norm = new.removesuffix("weight")
            found[f"{norm}running_mean"] = np.zeros_like(values)
            found[f"{norm}running_var"] = np.full_like(values, 1 - EPSILON)
    return found


def _renamed(name: str) -> str:
    if name in _STEM:
        return f"stem.conv1.{_STEM[name]}"
    if match := _BLOCK.fullmatch(name):
        stage, block, branch, end = match.groups()
        return f"res{stage}.{block}.{_PLACES[branch]}.{_ENDS[end]}"
    return name
