"""Keys of older configs: each is checked, answered with one warning, and turned into what replaces it.

Source: the deprecated Mask R-CNN config page and the v1 inference configs that release 5.16 converted.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mrcnn.config import errors
from mrcnn.events import UserError

Warn = Callable[[str], None]


def convert_train(values: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    """Returns a user's train config without the keys of older plugins.

    `val_every`, `data_workers` and `validate_with_model_eval` are dropped: validation runs once after every epoch on
    the whole set, and the loader chooses its own parallelism. `input_size.width` and `height` become `min_dim` and
    `max_dim` where the user gave neither of those; the original silently used 256.

    Args:
        values: the user's config before the merge with the defaults.
        warn: called with one line for each such key.

    Raises:
        UserError: the value of a legacy key is of the wrong type.
    """
    kept = dict(values)
    for key, (is_right, expected, reason) in _TRAIN_KEYS.items():
        if key in kept:
            value = kept.pop(key)
            if not is_right(value):
                raise UserError(f"`{key}` must be {expected}, got {errors.shown(value)}; or remove it: {reason}")
            warn(f"`{key}` has no effect: {reason}")
    size = kept.get("input_size")
    if isinstance(size, Mapping) and not {"min_dim", "max_dim"} & set(size):
        kept["input_size"] = _size_from_sides(size, warn=warn)
    return kept


def _size_from_sides(size: Mapping[str, Any], *, warn: Warn) -> dict[str, Any]:
    width, height = size.get("width"), size.get("height")
    if not (_is_side(width) and _is_side(height)):
        return dict(size)
    low, high = min(width, height), max(width, height)
    warn(
        f"`input_size.width` and `input_size.height` are old keys: read as `min_dim` {low} and `max_dim` {high}; "
        "give those instead"
    )
    return {**size, "min_dim": low, "max_dim": high}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_TRAIN_KEYS: dict[str, tuple[Callable[[Any], bool], str, str]] = {
    "val_every": (
        lambda value: _is_number(value) and value > 0,
        "a number greater than 0",
        "validation runs once after every epoch",
    ),
    "data_workers": (
        lambda value: isinstance(value, Mapping),
        "an object",
        "the data pipeline chooses its own parallelism",
    ),
    "validate_with_model_eval": (
        lambda value: isinstance(value, bool),
        "true or false",
        "validation always runs the whole validation set",
    ),
}
