"""Converts images and detections to and from the JSON arrays of the newer protocols.

The arrays are those of an exported model, see docs/export.md: `boxes` `[N, 4]` float32, yxyx pixels of the image;
`class_ids` `[N]` int32; `scores` `[N]` float32; `masks` `[N, H, W]` uint8, 0 or 1. Best score first.
"""

import json
import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from mrcnn.config import errors
from mrcnn.fields.table import chosen
from mrcnn.predict import compact
from mrcnn.serve.responses import RequestError
from mrcnn.structures import CompactDetections


class Output(NamedTuple):
    """An array of a response: its NumPy type and its shape.

    The shape has -1 for a size that differs between images.
    """

    dtype: str
    shape: tuple[int, ...]


OUTPUTS: Mapping[str, Output] = {
    "boxes": Output("float32", (-1, 4)),
    "class_ids": Output("int32", (-1,)),
    "scores": Output("float32", (-1,)),
    "masks": Output("uint8", (-1, -1, -1)),
}
MOST_AXES = 4  # of an image with its batch axis
MOST_MASK_VALUES = 2**24  # of one answer; each is two bytes of JSON

Arrays = Mapping[str, np.ndarray]


def outputs(fields: Collection[str]) -> dict[str, Output]:
    """Lists the arrays of a response: `OUTPUTS`, then the extra fields of the detections."""
    return {**OUTPUTS, **{name: Output("float32", (-1, *field.shape)) for name, field in chosen(fields).items()}}


def to_arrays(found: CompactDetections, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Converts detections to the wanted arrays.

    Args:
        found: the detections of one image.
        wanted: names out of `outputs`.

    Returns:
        The arrays by name, in the order of `outputs`; for shapes and types see there and the module.

    Raises:
        RequestError: masks are wanted and have more than `MOST_MASK_VALUES` values (413).
    """
    arrays = {"boxes": found.boxes, "class_ids": found.class_ids, "scores": found.scores}
    count = len(found.masks) * math.prod(found.size)
    if "masks" in wanted and count > MOST_MASK_VALUES:
        raise RequestError(
            f"the masks of this answer have {count} values, more than {MOST_MASK_VALUES}; send a smaller "
            "image, leave the masks out, or ask /model/inference, whose masks are compressed",
            status=413,
        )
    if "masks" in wanted:
        arrays["masks"] = compact.to_dense(found).masks.view(np.uint8)
    return {name: value for name, value in (arrays | dict(found.extras)).items() if name in wanted}


def read_image(values: Any, *, channels: int, shape: list[int] | None = None) -> np.ndarray:
    """Converts nested or flat lists of numbers to an image.

    Args:
        values: `[H, W, channels]` or `[1, H, W, channels]` as nested lists of whole numbers 0..255; with `shape` also
            as a flat list.
        channels: channels of the model's images.
        shape: the declared shape; None to derive it from the nesting.

    Returns:
        `[H, W, channels]` uint8.

    Raises:
        RequestError: the values have another shape, are no numbers, or are not whole numbers 0..255.
    """
    try:
        with np.errstate(all="ignore"):  # values beyond float32 become infinite and are refused below
            pixels = np.asarray(values, np.float32)  # without a dtype, one long text would make every element as long
    except (ValueError, TypeError, OverflowError) as error:
        raise RequestError(
            "`image` must be rows of equal length, of pixels of equal length, of whole numbers"
        ) from error
    if shape is not None:
        if len(shape) > MOST_AXES or pixels.size != math.prod(shape):
            raise RequestError(f"`image` has {pixels.size} values, which is not its shape {errors.shown(shape)}")
        pixels = pixels.reshape(shape)
    if pixels.ndim == 4 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim != 3 or pixels.shape[2] != channels or pixels.size == 0:
        raise RequestError(f"`image` must be [height, width, {channels}], got {list(pixels.shape)}")
    if not (pixels == np.clip(np.floor(pixels), 0, 255)).all():
        raise RequestError("the values of `image` must be whole numbers 0..255")
    return pixels.astype(np.uint8)


def write_nested(arrays: Arrays) -> str:
    """Writes arrays as a JSON object of nested lists, the form of TensorFlow Serving."""
    texts = {name: _mask_rows(v) if name == "masks" else json.dumps(v.tolist()) for name, v in arrays.items()}
    return "{" + ", ".join(f"{json.dumps(name)}: {text}" for name, text in texts.items()) + "}"


def write_flat(values: np.ndarray) -> str:
    """Writes an array as one flat JSON list; uint8 arrays must hold 0 and 1."""
    if values.dtype == np.uint8:
        return f"[{_digits(values.reshape(1, -1))[:-1]}]" if values.size else "[]"
    return json.dumps(values.reshape(-1).tolist())


def whole_numbers(values: Any, *, name: str) -> list[int]:
    """Checks that a value is a list of non-negative whole numbers, and returns it.

    Raises:
        RequestError: the value is something else; the message calls it `name`.
    """
    if not isinstance(values, list) or not all(type(item) is int and item >= 0 for item in values):
        raise RequestError(f"`{name}` must be a list of whole numbers, got {errors.shown(values)}")
    return values


def _mask_rows(masks: np.ndarray) -> str:
    """Writes masks `[N, H, W]` of 0 and 1 as nested JSON lists.

    A JSON library would convert each value to a Python number and need 20 times the time and the memory.
    """
    step, texts = 2 * masks.shape[2], []
    for digits in map(_digits, masks):
        rows = (digits[start : start + step - 1] for start in range(0, len(digits), step))
        texts.append("[[" + "],[".join(rows) + "]]")
    return f"[{','.join(texts)}]"


def _digits(rows: np.ndarray) -> str:
    """Writes an array `[H, W]` of 0 and 1 as one text such as `0,1,1,`."""
    text = np.full((*rows.shape, 2), ord(","), np.uint8)
    text[..., 0] = rows + ord("0")
    return text.tobytes().decode("ascii")
