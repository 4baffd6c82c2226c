"""The frame boxes are computed in: pixels, or Matterport's, in which an image ends at the middle of its last pixel.

Matterport divides boxes by `(H - 1, W - 1)` after taking (0, 0, 1, 1) off. Overlaps, deltas and crops do not depend on
the division, so only the shift and the extent remain: the whole image is (0, 0, H - 1, W - 1).
Source: Matterport's `norm_boxes` and `denorm_boxes`.
"""

from typing import NamedTuple

from keras import ops

NORMALIZATIONS = ("pixels", "minus_one")


class Frame(NamedTuple):
    """A frame for boxes.

    Attributes:
        last: what it takes off the ends (y2, x2) of a box and off the sides of an image, in pixels.
    """

    last: float

    def enter(self, boxes):
        """Moves boxes `[..., 4]`, yxyx pixels, into the frame."""
        return boxes - self._shift() if self.last else boxes

    def leave(self, boxes):
        """Moves boxes `[..., 4]` of the frame back to pixels."""
        return boxes + self._shift() if self.last else boxes

    def extent(self, image_size):
        """Gives the sides of an image of (H, W) pixels in the frame."""
        height, width = image_size
        return (height - self.last, width - self.last) if self.last else (height, width)

    def _shift(self):
        return ops.convert_to_tensor([0.0, 0.0, self.last, self.last], dtype="float32")


def frame(normalization: str) -> Frame:
    """Gives the frame of a `box_normalization`: `pixels` or `minus_one`.

    Raises:
        ValueError: another word.
    """
    if normalization not in NORMALIZATIONS:
        raise ValueError(f"box_normalization must be one of {', '.join(NORMALIZATIONS)}, got {normalization!r}")
    return Frame(1.0 if normalization == "minus_one" else 0.0)
