"""Pasting of one mask into an image, in NumPy alone: what `ops/masks.py` does with tensors, and the rules of both.

Shape letters: M side of a predicted mask.
"""

import math
from typing import Any

import numpy as np

METHODS = ("bilinear", "fading", "stretched", "expanded", "sampled")  # see `masks.paste_masks`


def placed(masks: Any, boxes: Any, *, method: str, maths: Any = np) -> tuple[Any, Any]:
    """Prepares masks and boxes for `expanded`; for another method both are unchanged.

    Each mask gets a border of zeros, one cell wide. Its box grows by as much, and its edges are then cut to whole
    pixels, of which the last is inside.

    Args:
        masks: `[..., M, M]` float32.
        boxes: `[..., 4]` float32, yxyx pixels of the image.
        method: as for `masks.paste_masks`.
        maths: `numpy` for arrays, `keras.ops` for tensors.

    Returns:
        `[..., M + 2, M + 2]` and `[..., 4]` float32.

    Source: torchvision's `expand_masks`, `expand_boxes` and `paste_mask_in_image`.
    """
    if method != "expanded":
        return masks, boxes
    side = masks.shape[-1]
    middle = 0.5 * (boxes[..., :2] + boxes[..., 2:])
    half = 0.5 * (boxes[..., 2:] - boxes[..., :2]) * ((side + 2) / side)
    start, last = maths.trunc(middle - half), maths.trunc(middle + half)
    border = [(0, 0)] * (len(masks.shape) - 2) + [(1, 1), (1, 1)]
    return maths.pad(masks, border), maths.concatenate([start, last + 1], axis=-1)


def paste_mask(
    mask: np.ndarray, box: np.ndarray, *, height: int, width: int, threshold: float, method: str = "bilinear"
) -> tuple[np.ndarray, tuple[int, int]]:
    """Resizes and thresholds one mask: `masks.paste_masks(...) >= threshold`, cropped to the box.

    Args:
        mask: `[M, M]` float, probabilities.
        box: `[4]` float, yxyx pixels of the image.
        height: rows of the image.
        width: columns of the image.
        threshold: the probability from which a pixel belongs to the object; above 0.
        method: as for `masks.paste_masks`.

    Returns:
        crop: bool, one value for each pixel of the image whose middle lies in the box; `[0, 0]` if there is none.
        origin: (y, x) of the crop's first pixel in the image.

    Raises:
        ValueError: `method` is not one of `METHODS`.
    """
    values, origin = paste_values(mask, box, height=height, width=width, method=method)
    return values >= threshold, origin


def paste_values(
    mask: np.ndarray, box: np.ndarray, *, height: int, width: int, method: str = "bilinear"
) -> tuple[np.ndarray, tuple[int, int]]:
    """Resizes one mask's probabilities to its box; arguments are those of `paste_mask`.

    Returns:
        crop: float32, the probabilities in the pixels whose middles lie in the box; `[0, 0]` if there is none.
        origin: (y, x) of the crop's first pixel in the image.

    Raises:
        ValueError: `method` is not one of `METHODS`.
    """
    check(method)
    mask, box = placed(np.asarray(mask, np.float32), np.asarray(box, np.float32), method=method)
    if method == "stretched":
        span = mask.max() - mask.min()
        mask = (mask - mask.min()) / (span or np.float32(1.0))
    y1, x1, y2, x2 = (np.float32(edge) for edge in box)
    top, bottom = _pixels_between(y1, y2, limit=height)
    left, right = _pixels_between(x1, x2, limit=width)
    if bottom <= top or right <= left:
        return np.zeros((0, 0), np.float32), (0, 0)
    rows = _weights_numpy(np.arange(top, bottom), y1, y2, size=mask.shape[0], method=method)
    columns = _weights_numpy(np.arange(left, right), x1, x2, size=mask.shape[1], method=method)
    values = rows @ mask @ columns.T
    return np.maximum(values, mask.min()) if method == "fading" else values, (top, left)


def check(method: str) -> None:
    """Checks the name of a way to paste masks.

    Raises:
        ValueError: it is not one of `METHODS`.
    """
    if method not in METHODS:
        raise ValueError(f"the method must be one of {', '.join(METHODS)}, got {method!r}")


def _weights_numpy(pixels: np.ndarray, start: np.float32, end: np.float32, *, size: int, method: str) -> np.ndarray:
    points = pixels.astype(np.float32) + np.float32(0.5)
    position = (points - start) / (end - start) * size - np.float32(0.5)
    if method in ("bilinear", "expanded"):
        position = np.clip(position, 0.0, size - 1.0)
    distance = np.abs(position[:, None] - np.arange(size, dtype=np.float32))
    if method != "stretched":
        return np.maximum(1.0 - distance, 0.0, dtype=np.float32)
    weights = np.maximum(1.0 - distance / max(size / (end - start), 1.0), 0.0, dtype=np.float32)
    return weights / weights.sum(axis=1, keepdims=True)


def _pixels_between(start: np.float32, end: np.float32, *, limit: int) -> tuple[int, int]:
    """Finds the pixels, within 0..limit, whose middles m satisfy start <= m < end.

    Returns:
        The first pixel and the exclusive end.
    """
    first, last = (math.ceil(edge - np.float32(0.5)) if np.isfinite(edge) else 0 for edge in (start, end))
    return min(max(first, 0), limit), min(max(last, 0), limit)
