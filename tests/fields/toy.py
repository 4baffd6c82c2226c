"""Two toy fields: a point in an image, and a vector from it."""

import numpy as np

from mrcnn.fields.field import Field
from mrcnn.fields.table import FIELDS
from mrcnn.project import geometry


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


class Dot(Point):
    """A point that a project has as a figure of its own."""

    shapes = ("point",)

    def to_label(self, label, value):
        return label

    def figure(self, value):
        return geometry.Point(value[::-1][None])

    def from_figures(self, figures):
        found = [figure.geometry.points[0][::-1] for figure in figures if figure.geometry.shape == "point"]
        return np.array(found[0] if found else (0, 0), np.float32)


class Sides(Field):
    """A number of the left side of an object and one of its right side."""

    name = "offset"
    shape = (2,)

    def mirrored(self, values):
        return values[:, ::-1]


def register(monkeypatch):
    """Adds both to the table of fields for one test."""
    for field in (Point(), Offset()):
        monkeypatch.setitem(FIELDS, field.name, field)


def extras(*rows):
    """Makes both fields of objects, each row (y, x) of the point and (dy, dx) of the vector."""
    values = np.array(rows, np.float32).reshape(-1, 4)
    return {"point": values[:, :2], "offset": values[:, 2:]}
