"""Crops or pads a box by amounts such as "20px" or "10%".

Source: Supervisely SDK 5.16, modes `roi` and `bboxes`: a percentage is of the box's own width or height; the result is
truncated to whole pixels.
"""

from mrcnn.config.inference import Sides
from mrcnn.errors import UserError
from mrcnn.predict.windows import Box


def to_pixels(amount: str, length: int) -> int:
    """Converts an amount to whole pixels, truncated; a percentage is of `length`."""
    if amount.endswith("%"):
        return int(int(amount.removesuffix("%")) * length / 100)
    return int(amount.removesuffix("px"))


def cut(size: tuple[int, int], sides: Sides) -> Box:
    """Crops an image's box by an amount on each side.

    Args:
        size: height and width of the image, pixels.
        sides: the amount to cut off each side.

    Returns:
        The remaining box, yxyx pixels of the image, exclusive ends.

    Raises:
        UserError: the remaining box is empty.
    """
    height, width = size
    box = _grown((0, 0, height, width), sides, sign=-1)
    if _is_empty(box):
        raise UserError(
            f"`mode.bounds` leaves nothing of an image of {height} x {width} pixels (height x width): "
            f"{_written(sides)}; cut off less"
        )
    return box


def pad(box: Box, sides: Sides, *, size: tuple[int, int], name: str) -> Box:
    """Pads a box and clips it to the image; a negative amount shrinks the box.

    Args:
        box: yxyx pixels, exclusive ends, inside the image.
        sides: the amount to add on each side.
        size: height and width of the image, pixels.
        name: the name of the box's object in an error message.

    Returns:
        The padded box, yxyx pixels of the image, exclusive ends.

    Raises:
        UserError: the padded box is empty.
    """
    top, left, bottom, right = _grown(box, sides, sign=1)
    grown = max(top, 0), max(left, 0), min(bottom, size[0]), min(right, size[1])
    if _is_empty(grown):
        height, width = box[2] - box[0], box[3] - box[1]
        raise UserError(
            f"`mode.padding` leaves nothing of the {height} x {width} pixels (height x width) of {name}: "
            f"{_written(sides)}; shrink less, or name the classes in `mode.from_classes`"
        )
    return grown


def _grown(box: Box, sides: Sides, *, sign: int) -> Box:
    top, left, bottom, right = box
    height, width = bottom - top, right - left
    return (
        top - sign * to_pixels(sides.top, height),
        left - sign * to_pixels(sides.left, width),
        bottom + sign * to_pixels(sides.bottom, height),
        right + sign * to_pixels(sides.right, width),
    )


def _is_empty(box: Box) -> bool:
    return box[2] <= box[0] or box[3] <= box[1]


def _written(sides: Sides) -> str:
    return ", ".join(f"{side} {amount}" for side, amount in sides)
