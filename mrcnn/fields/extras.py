"""Operations on `extras`, the extra fields of a record's objects.

`extras` are dictionaries of arrays `[N, ...]`, one row per object. Empty dictionaries in, empty ones out.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.fields.field import Warp
from mrcnn.fields.table import FIELDS, named
from mrcnn.project.annotation import INSTANCE_KEY, Label
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
    """Moves all fields to a scaled and shifted image.

    Pixel p of each axis moves to `scale * p + shift`; see `Field.transformed`.

    Args:
        extras: arrays by name.
        scale: (y, x) factors; negative for an axis that is mirrored.
        shift: (y, x) pixels.
    """
    moved = in_graph(extras, scale=np.array(scale, np.float32), shift=np.array(shift, np.float32))
    return _mirrored(moved) if scale[0] * scale[1] < 0 else moved


def in_graph(extras: Extras, *, scale: Tensor, shift: Tensor) -> dict[str, Tensor]:
    """Moves all fields as `transformed` does, by positive factors.

    The values may be tensors of a graph.
    """
    return {name: named(name).transformed(values, scale=scale, shift=shift) for name, values in extras.items()}


def augmented(extras: Extras, warp: Warp, *, mirrors: bool) -> dict[str, np.ndarray]:
    """Moves all fields to an augmented image; see `Field.augmented`, and `Field.mirrored` where the warp mirrors."""
    moved = {name: named(name).augmented(values, warp) for name, values in extras.items()}
    return _mirrored(moved) if mirrors else moved


def merged(extras: Extras, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Combines the pieces of one object to one row; see `Field.merged`."""
    return {name: named(name).merged(values, scores)[None] for name, values in extras.items()}


def of_objects(objects: Iterable[Sequence[Label]], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Reads the fields of annotated objects, `[N, ...]` float32 each; see `Field.from_figures`.

    Args:
        objects: the figures of each object.
        names: of the fields.
    """
    listed = list(objects)
    return {
        name: np.array([named(name).from_figures(figures) for figures in listed], np.float32).reshape(
            -1, *named(name).shape
        )
        for name in names
    }


def of_coco(annotation: Mapping[str, Any], names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads the values of the fields that an annotation of a COCO file has; see `Field.from_coco`.

    Args:
        annotation: an item of `annotations`.
        names: of the fields; None for all known ones.

    Raises:
        UserError: a value is malformed.
    """
    fields = {name: named(name) for name in (FIELDS if names is None else names)}
    try:
        found = {name: field.from_coco(annotation) for name, field in fields.items()}
    except ValueError as error:
        raise UserError(str(error)) from error
    return {name: value for name, value in found.items() if value is not None}


def row_of(extras: Extras, row: int) -> dict[str, np.ndarray]:
    """Selects the values of one object."""
    return {name: values[row] for name, values in extras.items()}


def figures(label: Label, values: Extras) -> tuple[Label, ...]:
    """Adds the fields of one object to its label; see `Field.to_label` and `Field.figure`.

    Args:
        label: the figure of the object's mask.
        values: the object's value of each field, by name.

    Returns:
        The label, then the fields' own figures with its class and tags; if there are any, all share one `instance`.
    """
    for name, value in values.items():
        label = named(name).to_label(label, value)
    own = [figure for name, value in values.items() if (figure := named(name).figure(value)) is not None]
    if not own:
        return (label,)
    # random, so that it stays unique when projects are merged or a second run adds objects
    bound = {INSTANCE_KEY: label.extra.get(INSTANCE_KEY) or uuid.uuid4().hex}
    further = (replace(label, geometry=figure, extra=bound) for figure in own)
    return replace(label, extra={**label.extra, **bound}), *further


def own_shapes(names: Collection[str] | None = None) -> frozenset[str]:
    """Collects the shapes of the fields' own figures; see `Field.shapes`.

    Args:
        names: of the fields; None for all known ones.
    """
    return frozenset(shape for name in (FIELDS if names is None else names) for shape in named(name).shapes)


def to_coco(values: Extras) -> dict[str, Any]:
    """Converts the fields of one object for COCO JSON; see `Field.to_coco`."""
    return {key: value for name in values for key, value in named(name).to_coco(values[name]).items()}


def to_coco_category(names: Iterable[str]) -> dict[str, Any]:
    """Combines the keys that fields add to a category in COCO JSON; see `Field.to_coco_category`."""
    return {key: value for name in names for key, value in named(name).to_coco_category().items()}


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


def _mirrored(extras: Extras) -> dict[str, np.ndarray]:
    return {name: named(name).mirrored(values) for name, values in extras.items()}
