"""Draws objects as masks inside their boxes, and resamples masks to the fixed training grid."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np

from mrcnn.data import maps
from mrcnn.structures import SEMANTIC, Instances, Sample


class Drawable(Protocol):
    """The interface of the objects that `rasterize` draws; see `mrcnn.project.geometry`."""

    def to_mask(self, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]] | None:
        """Draws the part of the object inside an image of that size.

        Returns:
            A tight `[h, w]` bool mask and its (y1, x1) in the image; None when no pixel is inside.
        """


def draw_sample(sample: Sample, *, height: int, width: int) -> Instances:
    """Draws the objects of a sample.

    Args:
        sample: of an image.
        height: of the image, pixels.
        width: of the image, pixels.

    Returns:
        As `rasterize`, with the facts of the image, and its semantic map if the sample has annotated stuff.
    """
    instances = rasterize(
        sample.labels,
        class_ids=sample.class_ids,
        ignore=sample.ignore,
        height=height,
        width=width,
        extras=sample.extras,
    )
    drawn = {}
    if sample.stuff is not None:
        drawn[SEMANTIC] = maps.semantic_map(instances, sample.stuff, height=height, width=width)
    return instances._replace(facts=sample.facts, maps=drawn)


def rasterize(
    labels: Iterable[Drawable],
    *,
    class_ids: Sequence[int],
    ignore: Sequence[bool],
    height: int,
    width: int,
    extras: Mapping[str, np.ndarray] | None = None,
) -> Instances:
    """Draws the objects of one image.

    Args:
        labels: the objects; each is drawn whole, even where objects overlap.
        class_ids: one per label.
        ignore: one per label.
        height: of the image, pixels.
        width: of the image, pixels.
        extras: further fields by name, one row per label.

    Returns:
        The objects that have a pixel inside the image, in order; arrays of length 0 where there is none.
    """
    drawn = [label.to_mask(height, width) for label in labels]
    kept = [index for index, piece in enumerate(drawn) if piece is not None]
    pieces = [piece for piece in drawn if piece is not None]
    return from_masks(
        masks=[mask for mask, _ in pieces],
        corners=[corner for _, corner in pieces],
        class_ids=[class_ids[index] for index in kept],
        ignore=[ignore[index] for index in kept],
        extras={name: values[kept] for name, values in (extras or {}).items()},
    )


def from_masks(
    *,
    masks: Sequence[np.ndarray],
    corners: Sequence[tuple[int, int]],
    class_ids: Sequence[int] | np.ndarray,
    ignore: Sequence[bool] | np.ndarray,
    extras: Mapping[str, np.ndarray] | None = None,
) -> Instances:
    """Builds `Instances` from masks and their positions.

    Args:
        masks: `[h, w]` bool each, cropped to the object.
        corners: (y1, x1) of each mask's first pixel in the image.
        class_ids: one per mask.
        ignore: one per mask.
        extras: further fields by name, one row per mask.
    """
    boxes = [(y, x, y + mask.shape[0], x + mask.shape[1]) for mask, (y, x) in zip(masks, corners, strict=True)]
    return Instances(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids, np.int32).reshape(-1),
        masks=tuple(masks),
        ignore=np.array(ignore, bool).reshape(-1),
        extras=extras or {},
    )


def grid_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Computes the covered share of each cell of a grid over a mask.

    Unlike in a resized image, values do not fade at the border or depend on the scale between image and model input.

    Args:
        mask: `[h, w]` bool, an object inside its own box.
        size: cells per side, S.

    Returns:
        `[S, S]` uint8: 255 times the covered share of the cell, rounded.

    Raises:
        ValueError: the mask has no pixel.
    """
    height, width = mask.shape
    if not mask.size:
        raise ValueError(f"a mask must have at least one pixel, got {height}x{width}")
    if height >= size and width >= size:
        # OpenCV's area mode computes these shares, but only where no axis is enlarged.
        return cv2.resize(mask.view(np.uint8) * np.uint8(255), (size, size), interpolation=cv2.INTER_AREA)
    covered = _cell_shares(height, size) @ mask.astype(np.float32) @ _cell_shares(width, size).T
    return np.rint(covered * 255).astype(np.uint8)


@lru_cache(maxsize=1024)
def _cell_shares(pixels: int, size: int) -> np.ndarray:
    """Computes the overlap of cells and pixels along one axis.

    Returns:
        `[S, pixels]` float32: the share of each of the `size` equal cells that lies in each pixel; rows sum to 1.
    """
    cell = pixels / size
    starts = np.arange(size)[:, None] * cell
    first = np.arange(pixels)[None, :]
    overlap = np.minimum(starts + cell, first + 1) - np.maximum(starts, first)
    return (np.clip(overlap, 0, None) / cell).astype(np.float32)
