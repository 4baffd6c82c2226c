"""Images and detections as the arrays that the newer protocols carry in JSON.

The arrays are those of an exported model, see docs/export.md: `boxes` `[N, 4]` float32, yxyx pixels of the image;
`class_ids` `[N]` int32; `scores` `[N]` float32; `masks` `[N, H, W]` uint8, 0 or 1. Best score first.
"""

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from mrcnn.config import errors
from mrcnn.predict import compact
from mrcnn.serve.refusals import Refusal
from mrcnn.structures import CompactDetections

OUTPUTS = ("boxes", "class_ids", "scores", "masks")
MOST_AXES = 4  # of an image with its batch axis
MOST_MASK_VALUES = 2**24  # of one answer; each is two bytes of JSON

Arrays = Mapping[str, np.ndarray]


def arrays_of(found: CompactDetections, wanted: Collection[str] = OUTPUTS) -> dict[str, np.ndarray]:
    """Gives the wanted arrays in the order of `OUTPUTS`.

    Raises:
        Refusal: the masks are too large for JSON.
    """
    arrays = {"boxes": found.boxes, "class_ids": found.class_ids, "scores": found.scores}
    count = len(found.masks) * math.prod(found.size)
    if "masks" in wanted and count > MOST_MASK_VALUES:
        raise Refusal(
            f"the masks of this answer have {count} values, more than {MOST_MASK_VALUES}; send a smaller "
            "image, leave the masks out, or ask /model/inference, whose masks are compressed",
            status=413,
        )
    if "masks" in wanted:
        arrays["masks"] = compact.to_dense(found).masks.view(np.uint8)
    return {name: value for name, value in arrays.items() if name in wanted}


def image_of(values: Any, *, channels: int, shape: list[int] | None = None) -> np.ndarray:
    """Reads pixels from lists.

    Args:
        values: rows of pixels of channels, whole numbers 0..255; with `shape`, also without the inner lists.
        channels: of the model.
        shape: what the lists are said to be.

    Returns:
        `[H, W, channels]` uint8.

    Raises:
        Refusal: they are something else.
    """
    try:
        with np.errstate(all="ignore"):  # what does not fit becomes infinite and is refused below
            pixels = np.asarray(values, np.float32)  # without a type, one long text would make all elements as long
    except (ValueError, TypeError, OverflowError) as error:
        raise Refusal("`image` must be rows of equal length, of pixels of equal length, of whole numbers") from error
    if shape is not None:
        if len(shape) > MOST_AXES or pixels.size != math.prod(shape):
            raise Refusal(f"`image` has {pixels.size} values, which is not its shape {errors.shown(shape)}")
        pixels = pixels.reshape(shape)
    if pixels.ndim == 4 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim != 3 or pixels.shape[2] != channels or pixels.size == 0:
        raise Refusal(f"`image` must be [height, width, {channels}], got {list(pixels.shape)}")
    if not (pixels == np.clip(np.floor(pixels), 0, 255)).all():
        raise Refusal("the values of `image` must be whole numbers 0..255")
    return pixels.astype(np.uint8)


def write_nested(arrays: Arrays) -> str:
    """Writes a JSON object of nested lists, as TensorFlow Serving does."""
    return _object({name: _mask_rows(v) if name == "masks" else json.dumps(v.tolist()) for name, v in arrays.items()})


def write_flat(values: np.ndarray) -> str:
    """Writes one flat JSON list."""
    if values.dtype == np.uint8:
        return f"[{_digits(values.reshape(1, -1))[:-1]}]" if values.size else "[]"
    return json.dumps(values.reshape(-1).tolist())


def whole_numbers(values: Any, *, name: str) -> list[int]:
    """Checks a list of whole numbers that are not negative.

    Raises:
        Refusal: it is none; calls it `name`.
    """
    if not isinstance(values, list) or not all(type(item) is int and item >= 0 for item in values):
        raise Refusal(f"`{name}` must be a list of whole numbers, got {errors.shown(values)}")
    return values


def _object(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def _mask_rows(masks: np.ndarray) -> str:
    """Writes `[N, H, W]` of 0 and 1; a library's way over Python numbers takes 20 times as long and as much memory."""
    width = masks.shape[2]
    return "[" + ",".join(_nested(_digits(mask), 2 * width) for mask in masks) + "]"


def _nested(digits: str, step: int) -> str:
    rows = (digits[start : start + step - 1] for start in range(0, len(digits), step))
    return "[[" + "],[".join(rows) + "]]"


def _digits(rows: np.ndarray) -> str:
    """Writes 0 and 1 as `0,1,1,`, all rows in one."""
    text = np.full((*rows.shape, 2), ord(","), np.uint8)
    text[..., 0] = rows + ord("0")
    return text.tobytes().decode("ascii")
