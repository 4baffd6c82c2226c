"""Operations on `extras`, the extra fields of a record's objects.

`extras` are dictionaries of arrays `[N, ...]`, one row per object. Empty dictionaries in, empty ones out.
Functions that need fields adapted to a model or the data have an argument `fields`, the fields of a run by name;
without it they use `FIELDS`.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.fields.field import Warp
from mrcnn.fields.table import Fields, chosen, named
from mrcnn.project.annotation import INSTANCE_KEY, Label
from mrcnn.structures import Tensor

Extras = Mapping[str, Any]  # arrays or tensors by field name


def transformed(
    extras: Extras, *, scale: tuple[float, float], shift: tuple[float, float], fields: Fields | None = None
) -> dict[str, np.ndarray]:
    """Moves all fields to a scaled and shifted image.

    Pixel p of each axis moves to `scale * p + shift`; see `Field.transformed`.

    Args:
        extras: arrays by name.
        scale: (y, x) factors; negative for an axis that is mirrored.
        shift: (y, x) pixels.
        fields: of the run; needed where an axis is mirrored.
    """
    moved = in_graph(extras, scale=np.array(scale, np.float32), shift=np.array(shift, np.float32))
    return _mirrored(moved, fields) if scale[0] * scale[1] < 0 else moved


def in_graph(extras: Extras, *, scale: Tensor, shift: Tensor) -> dict[str, Tensor]:
    """Moves all fields as `transformed` does, by positive factors.

    The values may be tensors of a graph.
    """
    return {name: named(name).transformed(values, scale=scale, shift=shift) for name, values in extras.items()}


def augmented(extras: Extras, warp: Warp, *, mirrors: bool, fields: Fields | None = None) -> dict[str, np.ndarray]:
    """Moves all fields to an augmented image; see `Field.augmented`, and `Field.mirrored` where the warp mirrors."""
    moved = {name: named(name).augmented(values, warp) for name, values in extras.items()}
    return _mirrored(moved, fields) if mirrors else moved


def merged(extras: Extras, scores: np.ndarray) -> dict[str, np.ndarray]:
    """Combines the pieces of one object to one row; see `Field.merged`."""
    return {name: named(name).merged(values, scores)[None] for name, values in extras.items()}


def averaged(parts: Sequence[Extras]) -> dict[str, np.ndarray]:
    """Combines what several views show of the same objects; see `Field.averaged`.

    Args:
        parts: the fields of each view, at least one, the same objects in the same order.
    """
    return {name: named(name).averaged(np.stack([part[name] for part in parts])) for name in parts[0]}


def of_objects(objects: Iterable[Sequence[Label]], fields: Collection[str]) -> dict[str, np.ndarray]:
    """Reads the fields of annotated objects, `[N, ...]` float32 each; see `Field.from_figures`.

    Args:
        objects: the figures of each object.
        fields: as for `table.chosen`.
    """
    listed = list(objects)
    return {
        name: np.array([field.from_figures(figures) for figures in listed], np.float32).reshape(-1, *field.shape)
        for name, field in chosen(fields).items()
    }


def of_coco(annotation: Mapping[str, Any], fields: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads the fields of an annotation of a COCO file; see `Field.from_coco`.

    Args:
        annotation: an item of `annotations`.
        fields: as for `table.chosen`.

    Raises:
        UserError: a value is malformed.
    """
    try:
        found = {name: field.from_coco(annotation) for name, field in chosen(fields).items()}
    except ValueError as error:
        raise UserError(str(error)) from error
    return {name: value for name, value in found.items() if value is not None}


def row_of(extras: Extras, row: int) -> dict[str, np.ndarray]:
    """Selects the values of one object."""
    return {name: values[row] for name, values in extras.items()}


def figures(label: Label, values: Extras, fields: Fields | None = None) -> tuple[Label, ...]:
    """Adds the fields of one object to its label; see `Field.to_label` and `Field.figure`.

    Args:
        label: the figure of the object's mask.
        values: the object's value of each field, by name.
        fields: of the run, or of the label's category.

    Returns:
        The label, then the fields' own figures with its class and tags; if there are any, all share one `instance`.
    """
    for name, value in values.items():
        label = named(name, fields).to_label(label, value)
    own = [figure for name, value in values.items() if (figure := named(name, fields).figure(value)) is not None]
    if not own:
        return (label,)
    # random, so that it stays unique when projects are merged or a second run adds objects
    bound = {INSTANCE_KEY: label.extra.get(INSTANCE_KEY) or uuid.uuid4().hex}
    further = (replace(label, geometry=figure, extra=bound) for figure in own)
    return replace(label, extra={**label.extra, **bound}), *further


def own_shapes(fields: Collection[str] | None = None) -> frozenset[str]:
    """Collects the shapes of the fields' own figures; see `Field.shapes`.

    Args:
        fields: as for `table.chosen`.
    """
    return frozenset(shape for field in chosen(fields).values() for shape in field.shapes)


def to_coco(values: Extras, fields: Fields | None = None) -> dict[str, Any]:
    """Converts the fields of one object for COCO JSON; see `Field.to_coco`."""
    return {key: value for name in values for key, value in named(name, fields).to_coco(values[name]).items()}


def to_coco_category(fields: Collection[str]) -> dict[str, Any]:
    """Combines the keys that fields add to a category in COCO JSON; see `Field.to_coco_category`."""
    return {key: value for field in chosen(fields).values() for key, value in field.to_coco_category().items()}


def to_class(fields: Collection[str]) -> dict[str, Any]:
    """Combines the keys that fields add to a class in a project's meta.json; see `Field.to_class`."""
    return {key: value for field in chosen(fields).values() for key, value in field.to_class().items()}


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


def draw(picture: np.ndarray, extras: Extras, boxes: np.ndarray, *, fields: Fields | None = None) -> np.ndarray:
    """Draws all fields onto a picture, one after the other; see `Field.draw`."""
    for name, values in extras.items():
        picture = named(name, fields).draw(picture, values, boxes)
    return picture


def _mirrored(extras: Extras, fields: Fields | None) -> dict[str, np.ndarray]:
    return {name: named(name, fields).mirrored(values) for name, values in extras.items()}
