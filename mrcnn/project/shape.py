"""The common interface of the shapes of annotated objects, and readers for their points."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.project import drawing


class Geometry(ABC):
    """The interface of all shapes; `shape` is the shape's name in JSON."""

    shape: str

    @abstractmethod
    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the part of the object inside an image of that size.

        Returns:
            `[h, w]` bool, cropped so that each border row and column has a true pixel, and its (y1, x1) in the image;
            None when no pixel of the object is inside.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Writes the fields of the object's JSON that hold the geometry."""


def read_points(values: Any, *, what: str) -> np.ndarray:
    """Reads a list of [x, y] points.

    Args:
        values: the parsed JSON.
        what: its key, for the error message.

    Returns:
        `[n, 2]` int64 or float64, as written.

    Raises:
        UserError: they are no finite pairs of numbers.
    """
    try:
        points = np.asarray(values)
    except ValueError:
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "if" or not np.isfinite(points).all():
        raise UserError(f"`{what}` must be finite [x, y] numbers, got {values!r:.80}")
    return points


def read_exterior(rings: Any) -> np.ndarray:
    """Reads `exterior` of an object's `points`; it must hold at least one point.

    Args:
        rings: the parsed JSON of `points`.

    Returns:
        `[n, 2]` as from `read_points`.

    Raises:
        UserError: there is no point, or they are no finite pairs of numbers.
    """
    if not isinstance(rings, Mapping) or not rings.get("exterior"):
        raise UserError(f"`points` must be an object whose `exterior` has at least one [x, y], got {rings!r:.80}")
    return read_points(rings["exterior"], what="exterior")
