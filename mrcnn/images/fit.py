"""Computes an image's size in the model input by one of three code bases' rules.

Sources: Matterport's `resize_image`, mode "square"; torchvision's `GeneralizedRCNNTransform`; detectron2's
`ResizeShortestEdge` and `ImageList.from_tensors`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple


class Fit(NamedTuple):
    """A rule that fits images into the model input.

    Attributes:
        shrinks: whether the short side is also shrunk to `min_dim`, not only enlarged.
        rounding: of the scaled sides: `even` (halves to the even number), `down`, or `half_up`.
        centred: whether the padding is on both sides of the image, or else only below and to the right.
        step: the sides of a rectangular model input are multiples of it, pixels.
    """

    shrinks: bool
    rounding: str
    centred: bool
    step: int


FITS = {
    "centred": Fit(shrinks=False, rounding="even", centred=True, step=64),
    "torchvision": Fit(shrinks=True, rounding="down", centred=False, step=32),
    "detectron2": Fit(shrinks=True, rounding="half_up", centred=False, step=32),
}
_ROUND: dict[str, Callable[[float], int]] = {
    "even": round,
    "down": math.floor,
    "half_up": lambda side: math.floor(side + 0.5),
}


def rule(fit: str) -> Fit:
    """Finds a rule by name.

    Raises:
        ValueError: it is none of `FITS`.
    """
    if fit not in FITS:
        raise ValueError(f"the fit must be one of {', '.join(FITS)}, got {fit!r}")
    return FITS[fit]


def fitted(
    height: int, width: int, *, min_dim: int, max_dim: int, fit: str = "centred"
) -> tuple[float, tuple[int, int]]:
    """Computes the size of an image fitted into a square of `max_dim`.

    The short side is scaled to `min_dim`; then the long side is made to fit `max_dim`. Sides are rounded, to at least
    one pixel.

    Args:
        height: of the image, pixels.
        width: of the image, pixels.
        min_dim: target of the short side, pixels.
        max_dim: limit of the long side, pixels.
        fit: the rule, a key of `FITS`.

    Returns:
        The factor before rounding, and the new (height, width).

    Raises:
        ValueError: a size is below 1, or the rule is unknown.
    """
    if min(height, width, min_dim, max_dim) < 1:
        raise ValueError(
            f"an image and the model input must have at least one pixel a side, got {height}x{width} and "
            f"min_dim {min_dim}, max_dim {max_dim}"
        )
    chosen = rule(fit)
    scale = min_dim / min(height, width)
    if not chosen.shrinks:
        scale = max(1.0, scale)
    longest = max(height, width) * scale
    if (longest if chosen.shrinks else _ROUND[chosen.rounding](longest)) > max_dim:
        scale = max_dim / max(height, width)
    new_height, new_width = (min(max_dim, max(1, _ROUND[chosen.rounding](side * scale))) for side in (height, width))
    return scale, (new_height, new_width)


def smallest_rectangle(size_hw: tuple[int, int], *, fit: str = "centred") -> tuple[int, int]:
    """Rounds height and width up to multiples of the rule's step."""
    step = rule(fit).step
    height, width = (-(-side // step) * step for side in size_hw)
    return height, width
