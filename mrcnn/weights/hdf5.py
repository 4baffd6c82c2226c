"""Reads and writes weight files that Keras 2 loads by layer name, using h5py only.

Layout: root attributes `layer_names`, `backend`, `keras_version`; one group per layer with the attribute
`weight_names`; data sets at `<layer>/<weight name>`, e.g. `conv1/conv1/kernel:0`. A file written by `model.save()`
has the same tree under `model_weights/`.
Source: Keras 2 `save_weights_to_hdf5_group`; Keras 2 can load the files written here by name.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.weights import checked, names, new_file

Layout = Sequence[tuple[str, Sequence[tuple[str, Any]]]]  # a variable has .shape, .assign(array), .numpy()
Datasets = Mapping[str, Mapping[str, Any]]  # {layer: {weight: data set or array}}; both have .shape and [()]

KERAS_VERSION = "2.2.4"  # the Keras version whose layout the written files have
WRITER = "mrcnn"
HEADER_LIMIT = 64512  # bytes; HDF5 object headers end at 64 kB, so longer attributes are cut into numbered parts


@dataclass(frozen=True)
class LegacyFile:
    """An open weight file in the by-name layout; close it after use.

    A weight's values are read when its data set is indexed (`dataset[()]`).

    Attributes:
        path: path of the file.
        layers: {layer: {weight: data set}} with Matterport's names, also if the file nests them in a wrapper model;
            `rpn_model` contains the three RPN layers; layers without weights are left out.
        layer_names: all groups that the file lists, as written.
        form: `weights`, or `full model` for a tree under `model_weights/`.
        nested: whether a wrapper model has the layers in one group, as in multi-GPU checkpoints.
        keras_version: as written in the file; `unknown` if absent.
        writer: name of the program that wrote the file; "" if absent.
        handle: the open HDF5 file.
    """

    path: str
    layers: dict[str, dict[str, h5py.Dataset]]
    layer_names: tuple[str, ...]
    form: str
    nested: bool
    keras_version: str
    writer: str
    handle: h5py.File = field(repr=False)

    def close(self) -> None:
        """Closes the file; its data sets can no longer be read."""
        self.handle.close()

    def __enter__(self) -> "LegacyFile":
        """Returns itself; the file is closed at the end of the `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self.close()


def read_file(path: str | os.PathLike) -> LegacyFile:
    """Opens a by-name weight file in any of its variants.

    Raises:
        UserError: as `checked.open_file`; or the file is not in the by-name layout.
    """
    handle = checked.open_file(path)
    try:
        with checked.damaged(path):
            return _index(str(path), handle)
    except UserError:
        handle.close()
        raise


def read_array(dataset: Any, *, where: str) -> np.ndarray:
    """Reads a data set or an array as float32.

    Args:
        dataset: an HDF5 data set or an array, of integers or floats.
        where: the weight and its file, for error messages.

    Raises:
        UserError: the values are not numbers, or the file is damaged.
    """
    if dataset.dtype.kind not in "fiu":
        raise UserError(f"{where} holds {dataset.dtype} values, expected numbers")
    try:
        return np.asarray(dataset[()], dtype=np.float32)
    except Exception as error:  # h5py raises exceptions of many types
        raise UserError(f"{where} cannot be read, the file is damaged: copy or download it again") from error


def write_file(path: str | os.PathLike, layout: Layout) -> None:
    """Writes weights in the by-name layout of Keras 2, atomically.

    Args:
        path: path of the file; an existing file is replaced.
        layout: the model's layers with their variables; a layer with an empty list is written as one without weights.

    Raises:
        UserError: the file cannot be written.
    """
    with files.writing("the weight file", path), files.replaced(path) as partial, new_file.create(partial) as handle:
        _write(handle, layout)


def kind_of(weight: str) -> str:
    """Extracts the kind from a weight's name, such as `kernel` from `conv1/kernel:0`."""
    return weight.rpartition("/")[2].partition(":")[0]


def is_keras3(handle: h5py.File) -> bool:
    """Checks whether an HDF5 file is in Keras 3's `.weights.h5` format."""
    return not _has_names(handle) and any(name in handle for name in ("layers", "_layer_checkpoint_dependencies"))


def read_names(group: h5py.Group, attribute: str) -> list[str]:
    """Reads a list of names from an attribute, which may be split into numbered parts.

    Args:
        group: the HDF5 group.
        attribute: name of the attribute; the names in it may be bytes or str.

    Raises:
        KeyError: the group has no such attribute.
    """
    if attribute in group.attrs:
        return [_text(name) for name in np.ravel(group.attrs[attribute])]
    parts = [name for name in group.attrs if re.fullmatch(re.escape(attribute) + r"\d+", name)]
    if not parts:
        raise KeyError(f"{group.name} has no attribute {attribute}")
    parts.sort(key=lambda name: int(name.removeprefix(attribute)))
    return [_text(name) for part in parts for name in np.ravel(group.attrs[part])]


def write_names(group: h5py.Group, attribute: str, values: Sequence[str]) -> None:
    """Writes names as fixed-length bytes; splits a too long attribute into numbered parts."""
    encoded = np.array([value.encode() for value in values], dtype=f"S{max(map(len, values), default=1)}")
    if encoded.nbytes <= HEADER_LIMIT:
        group.attrs[attribute] = encoded
        return
    per_part = max(1, HEADER_LIMIT // encoded.dtype.itemsize)
    for number, start in enumerate(range(0, len(encoded), per_part)):
        group.attrs[f"{attribute}{number}"] = encoded[start : start + per_part]


def _index(path: str, handle: h5py.File) -> LegacyFile:
    root, form = (handle, "weights")
    if "model_weights" in handle and not _has_names(handle):
        root, form = (handle["model_weights"], "full model")
    if not _has_names(root):
        kind = "a Keras 3 weight file" if is_keras3(handle) else "an HDF5 file without the attribute `layer_names`"
        raise UserError(f"the weight file {path} is {kind}, expected Keras 2 weights that load by layer name")
    layer_names = read_names(root, "layer_names")
    layers: dict[str, dict[str, h5py.Dataset]] = {}
    nested = False
    for group_name, weight_name, dataset in _weights(root, layer_names):
        owner = _owner(group_name, weight_name)
        group = names.group_of(owner)
        nested |= group != group_name
        stored = layers.setdefault(group, {})
        stored[f"{owner}/{kind_of(weight_name)}:0" if names.is_known(owner) else weight_name] = dataset
    return LegacyFile(
        path=path,
        layers=layers,
        layer_names=tuple(layer_names),
        form=form,
        nested=nested,
        keras_version=_text(root.attrs.get("keras_version", "unknown")),
        writer=_text(handle.attrs.get("writer", "")),
        handle=handle,
    )


def _has_names(group: h5py.Group) -> bool:
    return "layer_names" in group.attrs or "layer_names0" in group.attrs


def _weights(root: h5py.Group, layer_names: Iterable[str]) -> Iterator[tuple[str, str, h5py.Dataset]]:
    for layer in layer_names:
        group = root[layer]
        for weight in read_names(group, "weight_names"):
            dataset = group[weight]
            if not isinstance(dataset, h5py.Dataset):
                raise UserError(f"{root.file.filename}: {layer}/{weight} must be a data set, it is a group")
            yield layer, weight, dataset


def _owner(group: str, weight: str) -> str:
    """Finds the layer that a weight belongs to.

    A group with the name of a known layer is the owner of its weights. For any other group (a wrapper model or
    `rpn_model`), the owner is the innermost known layer name on the weight's path, else the group itself. The path is
    `conv1/kernel:0`, or `conv1_1/kernel:0` where TensorFlow made the name unique, and may start with wrapper names.
    """
    if names.is_known(group):
        return group
    for part in reversed(weight.split("/")[:-1]):
        for name in (part, re.sub(r"_\d+$", "", part)):
            if names.is_known(name):
                return name
    return group


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _write(handle: h5py.File, layout: Layout) -> None:
    write_names(handle, "layer_names", [layer for layer, _ in layout])
    handle.attrs["backend"] = np.bytes_("tensorflow")
    handle.attrs["keras_version"] = np.bytes_(KERAS_VERSION)
    handle.attrs["writer"] = np.bytes_(WRITER)
    for layer, weights in layout:
        group = handle.create_group(layer)
        write_names(group, "weight_names", [name for name, _ in weights])
        for name, variable in weights:
            group.create_dataset(name, data=np.asarray(variable.numpy(), dtype=np.float32))
