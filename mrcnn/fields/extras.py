"""Operations on `extras`, the extra fields of a record's objects, as the records' other fields need them.

`extras` are dictionaries of arrays `[N, ...]`, one row per object. Empty dictionaries in, empty ones out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mrcnn.fields.field import Warp
from mrcnn.fields.table import named
from mrcnn.project.annotation import Label
from mrcnn.structures import Tensor

Extras = Mapping[str, Any]  # arrays or tensors by field name


def take(extras: Extras, rows: Any) -> dict[str, Any]:
    """Selects rows, by a NumPy index."""
    return {name: values[rows] for name, values in extras.items()}


def concatenate(parts: Sequence[Extras]) -> dict[str, np.ndarray]:
    """Concatenates the rows of several dictionaries; those without fields must belong to no object."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}


def transformed(extras: Extras, *, scale: tuple[float, float], shift: tuple[float, float]) -> dict[str, np.ndarray]:
    """Moves all fields to an image where pixel p of each axis is at `scale * p + shift`; see `Field.transformed`.

    Args:
        extras: arrays by name.
        scale: (y, x) factors.
        shift: (y, x) pixels.
    """
    return in_graph(extras, scale=np.array(scale, np.float32), shift=np.array(shift, np.float32))


def in_graph(extras: Extras, *, scale: Tensor, shift: Tensor) -> dict[str, Tensor]:
    """Moves all fields as `transformed` does; all values may be tensors of a graph."""
    return {name: named(name).transformed(values, scale=scale, shift=shift) for name, values in extras.items()}


def augmented(extras: Extras, warp: Warp) -> dict[str, np.ndarray]:
    """Moves all fields to an augmented image; see `Field.augmented`."""
    return {name: named(name).augmented(values, warp) for name, values in extras.items()}


def merged(extras: Extras, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Combines the pieces of one object to one row; see `Field.merged`."""
    return {name: named(name).merged(values, scores)[None] for name, values in extras.items()}


def of_labels(labels: Iterable[Label], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Reads the fields of annotated objects, `[N, ...]` float32 each; see `Field.from_label`."""
    listed = list(labels)
    return {
        name: np.array([named(name).from_label(label) for label in listed], np.float32).reshape(-1, *named(name).shape)
        for name in names
    }


def onto_label(label: Label, extras: Extras, row: int) -> Label:
    """Adds the fields of one detection to its label; see `Field.to_label`."""
    for name, values in extras.items():
        label = named(name).to_label(label, values[row])
    return label


def jsonable(extras: Extras, row: int) -> dict[str, Any]:
    """Converts the fields of one object for JSON; see `Field.jsonable`."""
    return {name: named(name).jsonable(values[row]) for name, values in extras.items()}


def differing(extras: Extras, others: Extras, *, count: int) -> np.ndarray:
    """Finds the objects of which a field differs by more than its tolerance, or is NaN.

    Args:
        extras: `[N, ...]` by name.
        others: the same fields of the same objects.
        count: N.

    Returns:
        `[N]` bool.
    """
    found = np.zeros(count, bool)
    for name, values in extras.items():
        same = np.abs(values - others[name]) <= named(name).tolerance
        found |= ~same.all(axis=tuple(range(1, same.ndim)))
    return found


def draw(picture: np.ndarray, extras: Extras, boxes: np.ndarray) -> np.ndarray:
    """Draws all fields onto a picture, one after the other; see `Field.draw`."""
    for name, values in extras.items():
        picture = named(name).draw(picture, values, boxes)
    return picture
