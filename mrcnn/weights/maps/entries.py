"""Maps tensors of a PyTorch state dict to weights of this project's layers, and back.

An `Entry` is one tensor. Its `kind` defines how the values are arranged on both sides.
Shape letters: O outputs, I inputs, k side of a kernel, S side of a region's features, A anchors of a cell, C classes
with background.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from mrcnn.weights import names

Tensors = Mapping[str, np.ndarray]
Layers = dict[str, dict[str, np.ndarray]]  # {group in a weight file: {weight: values}}, as of `hdf5`

SWAP_AXES = [1, 0, 3, 2]  # (dx, dy, dw, dh) to (dy, dx, dh, dw), its own inverse
NORM = (("weight", "gamma"), ("bias", "beta"), ("running_mean", "moving_mean"), ("running_var", "moving_variance"))


class Entry(NamedTuple):
    """One tensor under both names.

    Attributes:
        tensor: name in the state dict.
        layer: name of this project's layer.
        weight: name of the layer's variable, such as `kernel`.
        kind: key of `KINDS`.
    """

    tensor: str
    layer: str
    weight: str
    kind: str = "same"

    @property
    def path(self) -> tuple[str, str]:
        """Group and weight name in a weight file."""
        return names.group_of(self.layer), f"{self.layer}/{self.weight}:0"


class Form(NamedTuple):
    """The parts of a detector that its state dict names differently.

    Attributes:
        backbone: `resnet50` or `resnet101`.
        rpn_convolutions: 3x3 convolutions of the region proposal network.
        box_convolutions: convolutions of the box head before its fully connected layers.
        class_agnostic_boxes: whether one box serves all classes.
        class_agnostic_masks: whether one mask serves all classes.
        box_stages: stages of a cascade of box heads; 1: a single box head.
        pointrend: whether the mask head is PointRend's.
        semantic: whether there is a semantic head.
    """

    backbone: str
    rpn_convolutions: int = 1
    box_convolutions: int = 0
    class_agnostic_boxes: bool = False
    class_agnostic_masks: bool = False
    box_stages: int = 1
    pointrend: bool = False
    semantic: bool = False


class Kind(NamedTuple):
    """An arrangement of values.

    Attributes:
        read: converts a tensor to the values of a layer.
        write: the inverse.
    """

    read: Callable[[np.ndarray], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray]


REGION_CHANNELS = 256  # of the regions' features, and of the layers of PointRend's point head, in all published models
COARSE_CELLS = 7**2  # of one of PointRend's coarse masks in all published models
REGION_SOURCES = ("fpn_p2", "mrcnn_box_conv")  # begins of the layers before the regions' fully connected one, in order


def _regions_to_kernel(values: np.ndarray, *, channels: int = REGION_CHANNELS) -> np.ndarray:
    """Reshapes a fully connected layer over the features of regions to a kernel.

    `[O, I * S * S]` becomes `[S, S, I, O]`, with I of `channels` where the rest is a square.
    """
    side = math.isqrt(values.shape[1] // channels)
    if side * side * channels != values.shape[1]:
        side = round((values.shape[1] / REGION_CHANNELS) ** 0.5)
    return values.reshape(values.shape[0], -1, side, side).transpose(2, 3, 1, 0)


def _kernel_to_regions(values: np.ndarray) -> np.ndarray:
    return values.transpose(3, 2, 0, 1).reshape(values.shape[3], -1)


def _deltas(values: np.ndarray) -> np.ndarray:
    """Exchanges x and y of box deltas along the first axis `[4 A, ...]`."""
    return values.reshape(-1, 4, *values.shape[1:])[:, SWAP_AXES].reshape(values.shape)


def _background_first(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[-1:], values[:-1]])


def _background_last(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values[1:], values[:1]])


def _with_background(values: np.ndarray, *, per_class: int) -> np.ndarray:
    """Adds zeros for the background before the values of the first class."""
    return np.concatenate([np.zeros_like(values[:per_class]), values])


def _coarse_masks(values: np.ndarray, *, background: bool) -> np.ndarray:
    """Arranges the outputs of PointRend's coarse masks, `[K * S * S, ...]`, by cell and then by class."""
    masks = values.reshape(-1, COARSE_CELLS, *values.shape[1:])
    masks = _with_background(masks, per_class=1) if background else masks
    by_cell = np.swapaxes(masks, 0, 1).reshape(-1, *values.shape[1:])
    return by_cell if values.ndim == 1 else by_cell.T[None, None]


def _from_coarse_masks(values: np.ndarray, *, background: bool) -> np.ndarray:
    by_cell = values if values.ndim == 1 else values[0, 0].T
    masks = np.swapaxes(by_cell.reshape(COARSE_CELLS, -1, *by_cell.shape[1:]), 0, 1)
    return masks[int(background) :].reshape(-1, *by_cell.shape[1:])


def _points(values: np.ndarray, *, background: bool, outputs: bool = False) -> np.ndarray:
    """Arranges a layer of PointRend's point head, whose inputs end with the coarse logits of the K classes.

    `[O, F + K, 1]` becomes `[1, 1, F + C, O]`; with `outputs`, the O outputs are the K classes too.
    """
    kernel = values[..., 0].T
    if background:
        features = REGION_CHANNELS
        kernel = np.concatenate([kernel[:features], np.zeros_like(kernel[:1]), kernel[features:]])
        kernel = _with_background(kernel.T, per_class=1).T if outputs else kernel
    return kernel[None, None]


def _from_points(values: np.ndarray, *, background: bool, outputs: bool = False) -> np.ndarray:
    kernel = values[0, 0]
    if background:
        kernel = np.delete(kernel, REGION_CHANNELS, axis=0)
        kernel = kernel[:, 1:] if outputs else kernel
    return kernel.T[..., None]


def _conv(values: np.ndarray) -> np.ndarray:
    return values.transpose(2, 3, 1, 0)  # [O, I, k, k] -> [k, k, I, O]


def _from_conv(values: np.ndarray) -> np.ndarray:
    return values.transpose(3, 2, 0, 1)


def _kind(read: Callable[..., np.ndarray], write: Callable[..., np.ndarray], **settings: bool) -> Kind:
    """Fixes the keyword arguments of both directions."""
    return Kind(partial(read, **settings), partial(write, **settings))


KINDS: dict[str, Kind] = {
    "same": Kind(np.asarray, np.asarray),
    "conv": Kind(_conv, _from_conv),
    "transposed_conv": Kind(lambda v: v.transpose(2, 3, 1, 0), lambda v: v.transpose(3, 2, 0, 1)),  # [I, O, k, k]
    "regions": Kind(_regions_to_kernel, _kernel_to_regions),
    "connected": Kind(lambda v: v.T[None, None], lambda v: v[0, 0].T),  # [O, I] -> [1, 1, I, O]
    "dense": Kind(np.transpose, np.transpose),
    "anchor_deltas": Kind(lambda v: _conv(_deltas(v)), lambda v: _deltas(_from_conv(v))),
    "deltas": Kind(_deltas, _deltas),
    "box_deltas": Kind(lambda v: _deltas(v).T, lambda v: _deltas(v.T)),
    # detectron2: the background is the last class, and has neither box nor mask
    "dense_last": Kind(lambda v: _background_first(v).T, lambda v: _background_last(v.T)),
    "same_last": Kind(_background_first, _background_last),
    "box_deltas_of_objects": Kind(
        lambda v: _with_background(_deltas(v), per_class=4).T, lambda v: _deltas(np.ascontiguousarray(v.T[4:]))
    ),
    "deltas_of_objects": Kind(lambda v: _with_background(_deltas(v), per_class=4), lambda v: _deltas(v[4:])),
    "conv_of_objects": Kind(lambda v: _conv(_with_background(v, per_class=1)), lambda v: _from_conv(v)[1:]),
    "coarse_masks": _kind(_coarse_masks, _from_coarse_masks, background=False),
    "coarse_masks_of_objects": _kind(_coarse_masks, _from_coarse_masks, background=True),
    "points": _kind(_points, _from_points, background=False),
    "points_of_objects": _kind(_points, _from_points, background=True),
    "point_masks": _kind(_points, _from_points, background=False),
    "point_masks_of_objects": _kind(_points, _from_points, background=True, outputs=True),
    "same_of_objects": Kind(lambda v: _with_background(v, per_class=1), lambda v: v[1:]),
}


def conv(tensor: str, layer: str, *, bias: bool = True) -> Iterator[Entry]:
    """Yields the entries of a convolution.

    Args:
        tensor: prefix of its names in the state dict.
        layer: its name here.
        bias: whether it has a bias.
    """
    yield Entry(f"{tensor}.weight", layer, "kernel", "conv")
    if bias:
        yield Entry(f"{tensor}.bias", layer, "bias")


def norm(tensor: str, layer: str) -> Iterator[Entry]:
    """Yields the entries of a batch norm; arguments as of `conv`."""
    for theirs, ours in NORM:
        yield Entry(f"{tensor}.{theirs}", layer, ours)


def pair(tensor: str, layer: str, kind: str, *, bias: str = "same") -> Iterator[Entry]:
    """Yields the entries of weight and bias of a layer.

    Args:
        tensor: as for `conv`.
        layer: as for `conv`.
        kind: of the weight.
        bias: kind of the bias.
    """
    yield Entry(f"{tensor}.weight", layer, "kernel", kind)
    yield Entry(f"{tensor}.bias", layer, "bias", bias)


def to_layers(entries: Iterable[Entry], tensors: Tensors) -> Layers:
    """Arranges the tensors of a state dict as the weights of layers.

    Args:
        entries: the tensors that are known; those that the state dict lacks are left out.
        tensors: the state dict.

    Returns:
        float32 values by layer and weight, as `hdf5.read_file` has them.
    """
    found: Layers = {}
    known = tuple(entries)
    readers = {name: kind.read for name, kind in KINDS.items()}
    readers["regions"] = partial(_regions_to_kernel, channels=_region_channels(known, tensors))
    for entry in known:
        if entry.tensor in tensors:
            group, weight = entry.path
            values = readers[entry.kind](np.asarray(tensors[entry.tensor], np.float32))
            found.setdefault(group, {})[weight] = np.ascontiguousarray(values)
    return found


def to_tensors(entries: Iterable[Entry], layers: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arranges the weights of layers as a state dict; the inverse of `to_layers`.

    Args:
        entries: the tensors of the state dict; those whose layers are missing are left out.
        layers: values by layer and weight.
    """
    found = {}
    for entry in entries:
        group, weight = entry.path
        if weight in layers.get(group, {}):
            found[entry.tensor] = np.ascontiguousarray(KINDS[entry.kind].write(np.asarray(layers[group][weight])))
    return found


def _region_channels(entries: Sequence[Entry], tensors: Tensors) -> int:
    """Reads the channels of the regions' features from the layer that computes them."""
    sources = [entry.tensor for entry in entries if entry.kind == "conv" and entry.layer.startswith(REGION_SOURCES)]
    found = [tensors[name].shape[0] for name in sources if name in tensors and tensors[name].ndim]
    return found[-1] if found and found[-1] else REGION_CHANNELS
