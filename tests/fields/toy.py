"""Two toy fields: a point in an image, and a vector from it."""

import numpy as np

from mrcnn.fields.field import Field
from mrcnn.fields.table import FIELDS


class Point(Field):
    """A point of an object, (y, x) pixels."""

    name = "point"
    shape = (2,)

    def transformed(self, values, *, scale, shift):
        return values * scale + shift

    def augmented(self, values, warp):
        return warp(values)

    def merged(self, values, scores):
        return values.mean(axis=0)


class Offset(Field):
    """A vector from the centre of an object's box, (dy, dx) pixels."""

    name = "offset"
    shape = (2,)

    def transformed(self, values, *, scale, shift):
        return values * scale


def register(monkeypatch):
    """Adds both to the table of fields for one test."""
    for field in (Point(), Offset()):
        monkeypatch.setitem(FIELDS, field.name, field)


def extras(*rows):
    """Makes both fields of objects, each row (y, x) of the point and (dy, dx) of the vector."""
    values = np.array(rows, np.float32).reshape(-1, 4)
    return {"point": values[:, :2], "offset": values[:, 2:]}
