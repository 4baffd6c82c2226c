"""The base class of extra fields that are points of an object: x, y and a third number that no movement changes.

Pixel i of an axis spans i..i + 1, as for boxes. Files hold the index of the pixel, so that `CENTRE` is added where they
are read and subtracted where they are written.
"""

import numpy as np

from mrcnn.fields.field import Field, Warp
from mrcnn.structures import Tensor

CENTRE = 0.5  # of a pixel, from its index
X, Y, THIRD = np.eye(3, dtype=np.float32)


class Points(Field):
    """Points `[K, 3]` of an object; the subclass defines the third number and how points are read and written."""

    def transformed(self, values: Tensor, *, scale: Tensor, shift: Tensor) -> Tensor:
        """Moves the points; see `Field.transformed`."""
        return values * (scale[1] * X + scale[0] * Y + THIRD) + shift[1] * X + shift[0] * Y

    def augmented(self, values: np.ndarray, warp: Warp) -> np.ndarray:
        """Moves the points; see `Field.augmented`."""
        places = warp(values[..., 1::-1].reshape(-1, 2)).reshape(*values.shape[:-1], 2)
        return np.concatenate([places[..., ::-1], values[..., 2:]], axis=-1).astype(np.float32)
