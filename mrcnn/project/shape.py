"""What every shape of an annotated object can do, and how its points are read from JSON."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from mrcnn.errors import UserError
from mrcnn.project import drawing


class Geometry(ABC):
    """What all shapes can do; `shape` is the name they have in JSON."""

    shape: str

    @abstractmethod
    def to_mask(self, height: int, width: int) -> drawing.Drawn | None:
        """Draws the object where it lies inside an image of that size.

        Returns:
            `[h, w]` bool, cropped so that each border row and column has a true pixel, and its (y1, x1) in the image;
            None when no pixel of the object is inside.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Gives the geometry's part of the object's JSON."""


def read_points(values: Any, *, what: str) -> np.ndarray:
    """Reads a list of [x, y].

    Args:
        values: the JSON.
        what: its key, for the message.

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
    """Reads `exterior` of an object's `points`; else as `read_points`, but at least one point must be there."""
    if not isinstance(rings, Mapping) or not rings.get("exterior"):
        raise UserError(f"`points` must be an object whose `exterior` has at least one [x, y], got {rings!r:.80}")
    return read_points(rings["exterior"], what="exterior")
