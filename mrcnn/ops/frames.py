"""Coordinate frames for boxes: pixels, or Matterport's normalization without its division.

Matterport subtracts (0, 0, 1, 1) from boxes and divides them by `(H - 1, W - 1)`. Overlaps, deltas and crops do not
depend on the division, so only the shift and the extent remain: the whole image is (0, 0, H - 1, W - 1).
Source: Matterport's `norm_boxes` and `denorm_boxes`.
"""

from typing import NamedTuple

from keras import ops

from mrcnn.structures import Size, Tensor

NORMALIZATIONS = ("pixels", "minus_one")


class Frame(NamedTuple):
    """A coordinate frame for boxes.

    Attributes:
        last: pixels subtracted from the ends (y2, x2) of a box and from the sides of an image.
    """

    last: float

    def enter(self, boxes: Tensor) -> Tensor:
        """Converts boxes `[..., 4]`, yxyx pixels, to this frame."""
        return boxes - self._shift() if self.last else boxes

    def leave(self, boxes: Tensor) -> Tensor:
        """Converts boxes `[..., 4]` of this frame back to pixels."""
        return boxes + self._shift() if self.last else boxes

    def extent(self, image_size: Size) -> Size:
        """Computes the sides of an image of (H, W) pixels in this frame."""
        height, width = image_size
        return (height - self.last, width - self.last) if self.last else (height, width)

    def _shift(self) -> Tensor:
        return ops.convert_to_tensor([0.0, 0.0, self.last, self.last], dtype="float32")


def frame(normalization: str) -> Frame:
    """Builds the frame for a value of `box_normalization`: `pixels` or `minus_one`.

    Raises:
        ValueError: `normalization` is neither of them.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"box_normalization must be one of {', '.join(NORMALIZATIONS)}, got {normalization!r}")
    return Frame(1.0 if normalization == "minus_one" else 0.0)
