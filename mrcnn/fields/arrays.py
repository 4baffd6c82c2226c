"""Selects and concatenates the rows of the arrays of `extras`, whatever its fields are.

`extras` are dictionaries of arrays `[N, ...]`, one row per object. Empty dictionaries in, empty ones out. This module
knows no `Field`, so it imports none of the packages that fields need.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Extras = Mapping[str, Any]  # arrays or tensors by field name


def take(extras: Extras, rows: Any) -> dict[str, Any]:
    """Selects rows, by a NumPy index."""
    return {name: values[rows] for name, values in extras.items()}


def concatenate(parts: Sequence[Extras]) -> dict[str, np.ndarray]:
    """Concatenates the rows of several dictionaries; those without fields must belong to no object."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}
