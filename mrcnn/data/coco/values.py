"""Reads single values of a COCO file's annotations."""

import math
from collections.abc import Mapping
from typing import Any

SCORE, ATTRIBUTES = "score", "attributes"
NOTHING: Mapping[str, Any] = {}  # shared: a file has many objects without facts

_CROWD_WORDS = {"1": True, "true": True, "0": False, "false": False, "": False, "none": False, "null": False}


def crowd(value: Any) -> bool | None:
    """Reads `iscrowd`; False where it is missing, None where it is neither 0 nor 1."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    return _CROWD_WORDS.get(value.strip().lower()) if isinstance(value, str) else None


def facts(annotation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Collects what an annotation says of its object beside class and mask.

    Args:
        annotation: an item of `annotations`.

    Returns:
        Those keys that are there and well-formed: `score` of a detection, a finite number; `attributes`, values by
        name, as CVAT exports them.
    """
    found = {name: annotation[name] for name, is_fit in _IS_FIT.items() if is_fit(annotation.get(name))}
    return found or NOTHING


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value)


_IS_FIT = {SCORE: _is_number, ATTRIBUTES: _is_mapping}
