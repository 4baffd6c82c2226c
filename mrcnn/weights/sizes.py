"""Reads the sizes of a network from the shapes of its weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from mrcnn.weights import names

WIDTHS = {  # setting -> the layer and the axis of its kernel that have this size
    "fpn_channels": ("fpn_c5p5", -1),
    "rpn_channels": ("rpn_conv_shared", -1),
    "box_fc_channels": ("mrcnn_class_conv1", -1),
    "box_pool_size": ("mrcnn_class_conv1", 0),
}


def side(layers: Mapping[str, Mapping[str, Any]], layer: str, *, axis: int = -1) -> int | None:
    """Reads the size of one axis of a layer's kernel.

    Args:
        layers: {group: {weight: array or data set}}, as in a weight file.
        layer: name of the layer.
        axis: of the kernel.

    Returns:
        The size; None if there is no such kernel or axis.
    """
    kernel = layers.get(names.group_of(layer), {}).get(f"{layer}/kernel:0")
    if kernel is None or axis not in range(-len(kernel.shape), len(kernel.shape)):
        return None
    return int(kernel.shape[axis])


def widths(layers: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Reads the sizes of `WIDTHS`; unknown ones are left out. `layers` as for `side`."""
    found = {key: side(layers, layer, axis=axis) for key, (layer, axis) in WIDTHS.items()}
    return {key: size for key, size in found.items() if size is not None}


def setting_of(weight: str, stored: Sequence[int], wanted: Sequence[int]) -> tuple[str, int] | None:
    """Finds the setting of `WIDTHS` that a stored weight needs.

    Args:
        weight: name of the weight, such as `rpn_conv_shared/kernel:0`.
        stored: its shape in the file.
        wanted: its shape in the model, which is another one.

    Returns:
        The setting and its value for the file; None where the shapes differ in no axis that a setting decides.
    """
    for key, (layer, axis) in WIDTHS.items():
        if weight == f"{layer}/kernel:0" and len(stored) == len(wanted) and stored[axis] != wanted[axis]:
            return key, stored[axis]
    return None
