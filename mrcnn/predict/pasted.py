"""Adds the masks of an image's size to the outputs of an exported file that leaves them on the grids of their boxes.

Shape letters: N detections, K those with a pixel, M mask side, H W the image.
"""

from collections.abc import Collection, Mapping

import numpy as np

from mrcnn.ops import mask_paste

MASKS, GRIDS, BOXES = "masks", "probabilities", "boxes"


def with_masks(
    found: Mapping[str, np.ndarray],
    size: tuple[int, int],
    *,
    threshold: float,
    method: str,
    maps: Collection[str] = (),
) -> dict[str, np.ndarray]:
    """Pastes the masks, and drops the objects whose mask has no pixel.

    Args:
        found: the outputs by name: `boxes` `[N, 4]` float32, yxyx pixels of the image; `probabilities` `[N, M, M]`
            float32; others `[N, ...]`.
        size: H and W.
        threshold: the probability from which a pixel belongs to the object.
        method: how a mask is resized, as for `masks.paste_masks`.
        maps: names of the outputs that are maps of the whole image, which stay as they are.

    Returns:
        The outputs `[K, ...]`, and `masks` `[K, H, W]` uint8, 0 or 1. Empty in, empty out.

    Raises:
        ValueError: `method` is none of `mask_paste.METHODS`.
    """
    height, width = size
    masks = np.zeros((len(found[BOXES]), height, width), np.uint8)
    for canvas, grid, box in zip(masks, found[GRIDS], found[BOXES], strict=True):
        crop, (top, left) = mask_paste.paste_mask(
            grid, box, height=height, width=width, threshold=threshold, method=method
        )
        canvas[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    drawn = masks.any(axis=(1, 2))
    rows = {**found, MASKS: masks}
    if drawn.all():
        return rows
    return {name: values if name in maps else values[drawn] for name, values in rows.items()}
