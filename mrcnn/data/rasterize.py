"""Draws annotated objects as masks inside their own boxes, and puts masks on the fixed grid the model trains on."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np

from mrcnn.structures import Instances


class Drawable(Protocol):
    """What `rasterize` needs of an object; `mrcnn.project.geometry` has it for every shape."""

    def to_mask(self, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]] | None:
        """Draws the object inside an image: a tight `[h, w]` bool mask and its (y1, x1); None when outside."""


def rasterize(
    labels: Iterable[Drawable],
    *,
    class_ids: Sequence[int],
    ignore: Sequence[bool],
    height: int,
    width: int,
) -> Instances:
    """Draws the objects of one image.

    Args:
        labels: the objects; overlaps are independent of each other.
        class_ids: one per label.
        ignore: one per label.
        height: rows of the image.
        width: columns of the image.

    Returns:
        The objects that have a pixel inside the image, in order; none gives arrays of length 0.
    """
    drawn = [label.to_mask(height, width) for label in labels]
    kept = [index for index, piece in enumerate(drawn) if piece is not None]
    pieces = [piece for piece in drawn if piece is not None]
    return from_masks(
        masks=[mask for mask, _ in pieces],
        corners=[corner for _, corner in pieces],
        class_ids=[class_ids[index] for index in kept],
        ignore=[ignore[index] for index in kept],
    )


def from_masks(
    *,
    masks: Sequence[np.ndarray],
    corners: Sequence[tuple[int, int]],
    class_ids: Sequence[int] | np.ndarray,
    ignore: Sequence[bool] | np.ndarray,
) -> Instances:
    """Makes the record of tight `[h, w]` bool masks that lie with their first pixel at (y1, x1) of the image."""
    boxes = [(y, x, y + mask.shape[0], x + mask.shape[1]) for mask, (y, x) in zip(masks, corners, strict=True)]
    return Instances(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids, np.int32).reshape(-1),
        masks=tuple(masks),
        ignore=np.array(ignore, bool).reshape(-1),
    )


def grid_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Measures how much of each cell of a grid laid over a mask is covered.

    Unlike a resized image, this neither fades at the border nor depends on the scale between image and model input.

    Args:
        mask: `[h, w]` bool, an object inside its own box.
        size: cells a side, S.

    Returns:
        `[S, S]` uint8: 255 times the covered share of the cell, rounded.

    Raises:
        ValueError: the mask has no pixel.
    """
    height, width = mask.shape
    if not mask.size:
        raise ValueError(f"a mask must have at least one pixel, got {height}x{width}")
    if height >= size and width >= size:
        # OpenCV's area mode is this measure, but only where no axis grows.
        return cv2.resize(mask.view(np.uint8) * np.uint8(255), (size, size), interpolation=cv2.INTER_AREA)
    covered = _cell_shares(height, size) @ mask.astype(np.float32) @ _cell_shares(width, size).T
    return np.rint(covered * 255).astype(np.uint8)


@lru_cache(maxsize=1024)
def _cell_shares(pixels: int, size: int) -> np.ndarray:
    """Gives the share of each of `size` equal cells that lies in each of the pixels of one axis, `[S, pixels]`."""
    cell = pixels / size
    starts = np.arange(size)[:, None] * cell
    first = np.arange(pixels)[None, :]
    overlap = np.minimum(starts + cell, first + 1) - np.maximum(starts, first)
    return (np.clip(overlap, 0, None) / cell).astype(np.float32)
