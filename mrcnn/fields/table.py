"""The table of the extra fields of objects.

A field's file is imported here and the field added to `FIELDS`.
"""

from mrcnn.fields.field import Field

FIELDS: dict[str, Field] = {}  # by name


def named(name: str) -> Field:
    """Finds a field by name.

    Raises:
        ValueError: no field of that name is in `FIELDS`.
    """
    if name not in FIELDS:
        raise ValueError(f"the field {name!r} is not in `mrcnn.fields.table.FIELDS`; add a `Field` of that name there")
    return FIELDS[name]
