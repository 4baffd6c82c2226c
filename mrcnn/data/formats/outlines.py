"""Reads the shapes that VIA, CVAT and Label Studio name by numbers: boxes and ellipses."""

import math
from collections.abc import Mapping
from typing import Any

from mrcnn.errors import UserError


def numbers(content: Mapping[str, Any], *names: str) -> list[float]:
    """Reads numbers, also those written as text.

    Args:
        content: of the shape.
        names: of the numbers.

    Raises:
        UserError: one is missing or no finite number.
    """
    found = []
    for name in names:
        try:
            value = float(content[name])
        except (KeyError, TypeError, ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"`{name}` must be a number, got {content.get(name)!r:.80}")
        found.append(value)
    return found


def number(content: Mapping[str, Any], name: str, default: float = 0) -> float:
    """Reads a number that may be missing; errors as for `numbers`."""
    return default if content.get(name) in (None, "") else numbers(content, name)[0]


def extent(content: Mapping[str, Any], *names: str) -> tuple[float, float]:
    """Reads a width and height.

    Raises:
        UserError: one is missing or not above 0.
    """
    first, second = numbers(content, *names)
    if first <= 0 or second <= 0:
        raise UserError(f"`{names[0]}` and `{names[1]}` must be above 0, got {first:g} and {second:g}")
    return first, second
