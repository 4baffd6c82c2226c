"""The table of the extra fields of objects, and the fields of a run.

A field's file is imported here and the field added to `FIELDS`. Code that moves values finds their fields there; code
that reads, mirrors, writes or draws them receives the fields of its run, which are adapted to the model's settings.
"""

from collections.abc import Collection, Mapping
from typing import Any

from mrcnn.fields.field import Field
from mrcnn.fields.keypoints import Keypoints
from mrcnn.fields.mask_points import MaskPoints

Fields = Mapping[str, Field]

FIELDS: dict[str, Field] = {"keypoints": Keypoints(), "mask_points": MaskPoints()}  # by name


def named(name: str, fields: Fields | None = None) -> Field:
    """Finds a field by name.

    Args:
        name: of the field.
        fields: those of a run; None for `FIELDS`.

    Raises:
        ValueError: no field of that name is there.
    """
    known = FIELDS if fields is None else fields
    if name not in known:
        raise ValueError(f"the field {name!r} is not in `mrcnn.fields.table.FIELDS`; add a `Field` of that name there")
    return known[name]


def chosen(fields: Collection[str] | None) -> Fields:
    """Finds fields by name.

    Args:
        fields: the fields of a run, which are returned as they are; or names of `FIELDS`; None for all of these.

    Raises:
        ValueError: as `named`.
    """
    if isinstance(fields, Mapping):
        return fields
    return {name: named(name) for name in (FIELDS if fields is None else fields)}


def of_model(names: Collection[str], settings: Any) -> Fields:
    """Adapts fields to a model; see `Field.of_model`.

    Args:
        names: of the fields.
        settings: the settings of the model, a record.

    Raises:
        ValueError: as `named`.
    """
    return {name: named(name).of_model(getattr(settings, name, None)) for name in names}


def of_category(fields: Collection[str] | None, category: Mapping[str, Any]) -> Fields:
    """Adapts fields to a category of COCO JSON; see `Field.of_category`.

    Args:
        fields: as for `chosen`.
        category: the further keys of the category.
    """
    return {name: field.of_category(category) for name, field in chosen(fields).items()}


def of_data(fields: Fields, class_facts: Mapping[str, Mapping[str, Any]]) -> Fields:
    """Adapts the fields of a run to the annotations of a source; see `Field.of_data`."""
    return {name: field.of_data(class_facts) for name, field in fields.items()}
