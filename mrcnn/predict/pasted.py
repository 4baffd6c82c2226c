"""Adds masks to the outputs of an exported file that leaves them on the grids of their boxes.

Shape letters: N detections, K those with a pixel, M mask side, H W the image.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from mrcnn.ops import mask_paste
from mrcnn.structures import CroppedMask

MASKS, GRIDS, BOXES = "masks", "probabilities", "boxes"


def with_masks(
    found: Mapping[str, np.ndarray],
    size: tuple[int, int],
    *,
    threshold: float,
    method: str,
    maps: Collection[str] = (),
) -> dict[str, Any]:
    """Pastes the masks inside their boxes, and drops the objects whose mask has no pixel.

    Args:
        found: the outputs by name: `boxes` `[N, 4]` float32, yxyx pixels of the image; `probabilities` `[N, M, M]`
            float32; others `[N, ...]`.
        size: H and W.
        threshold: the probability from which a pixel belongs to the object.
        method: how a mask is resized, as for `masks.paste_masks`.
        maps: names of the outputs that are maps of the whole image, which stay as they are.

    Returns:
        The outputs `[K, ...]`, and `masks`, a tuple of K `CroppedMask`. Empty in, empty out.

    Raises:
        ValueError: `method` is none of `mask_paste.METHODS`.
    """
    height, width = size
    masks = [
        CroppedMask.from_pixels(
            *mask_paste.paste_mask(grid, box, height=height, width=width, threshold=threshold, method=method)
        )
        for grid, box in zip(found[GRIDS], found[BOXES], strict=True)
    ]
    drawn = np.array([mask.area > 0 for mask in masks], bool)
    rows = {name: values if name in maps else values[drawn] for name, values in found.items()}
    return {**rows, MASKS: tuple(mask for mask in masks if mask.area)}


def dense(found: Mapping[str, Any], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Draws masks that are cropped to their boxes into arrays of the image's size.

    Args:
        found: outputs by name; their `masks` are `[N, H, W]`, and stay so, or N `CroppedMask`.
        size: H and W.

    Returns:
        The outputs, of which `masks` is `[N, H, W]` uint8, 0 or 1.
    """
    masks = found[MASKS]
    if isinstance(masks, np.ndarray):
        return dict(found)
    canvases = np.zeros((len(masks), *size), np.uint8)
    for canvas, mask in zip(canvases, masks, strict=True):
        y1, x1, y2, x2 = mask.box
        canvas[y1:y2, x1:x2] = mask.pixels
    return {**found, MASKS: canvases}
