"""Draws objects on a canvas of their own box, clipped to the image."""

from collections.abc import Callable, Sequence

import numpy as np

from mrcnn.images import limits
from mrcnn.project import outlines

COORDINATE_LIMIT = 2**20  # pixels; farther points are moved there, so that OpenCV's fixed-point numbers hold

Drawn = tuple[np.ndarray, tuple[int, int]]  # `[h, w]` bool and the (y1, x1) of its first pixel in the image


def floor(points: np.ndarray) -> np.ndarray:
    """Rounds coordinates down to whole pixels.

    Returns:
        int32 of the same shape, clipped to plus and minus `COORDINATE_LIMIT`.
    """
    return np.clip(np.floor(points), -COORDINATE_LIMIT, COORDINATE_LIMIT).astype(np.int32)


def onto_last(pixels: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Moves coordinates equal to the image's size onto the last column or row.

    Raw exports contain such coordinates: there an end is exclusive.
    """
    return np.where(pixels == (width, height), pixels - 1, pixels)


def fill(exterior: np.ndarray, interior: Sequence[np.ndarray] = (), *, height: int, width: int) -> Drawn | None:
    """Fills a polygon and cuts its holes.

    Args:
        exterior: outline `[n, 2]`, xy pixels; its pixels belong to the polygon.
        interior: outlines of the holes in the same form; their pixels belong to the holes.
        height: of the image.
        width: of the image.

    Returns:
        The drawn pixels, cropped to their box; None when there is none.
    """

    def draw(canvas: np.ndarray, offset: tuple[int, int]) -> None:
        outlines.fill(canvas, floor(exterior), value=1, offset=offset)
        for hole in interior:
            outlines.fill(canvas, floor(hole), value=0, offset=offset)

    # The box of all rings: OpenCV moves a line by up to a pixel where it cuts it off at the canvas.
    return draw_inside(np.concatenate((exterior, *interior)), draw, height=height, width=width)


def draw_inside(
    outline: np.ndarray, draw: Callable[[np.ndarray, tuple[int, int]], object], *, height: int, width: int
) -> Drawn | None:
    """Draws onto a canvas of the outline's box, clipped to the image.

    Args:
        outline: `[n, 2]` points whose box holds all that is drawn, xy pixels.
        draw: gets the canvas, `[h, w]` uint8 zeros, and the (x, y) to add to image coordinates.
        height: of the image.
        width: of the image.

    Returns:
        The drawn pixels, cropped to their box; None when there is none.

    Raises:
        UserError: the canvas would have more than `limits.DECODED` pixels.
    """
    pixels = floor(outline)
    x1, y1 = np.maximum(pixels.min(axis=0), 0).tolist()
    x2, y2 = np.minimum(pixels.max(axis=0) + 1, (width, height)).tolist()
    if x1 >= x2 or y1 >= y2:
        return None
    limits.check_decoded((y2 - y1) * (x2 - x1), what=f"an object of {y2 - y1} x {x2 - x1} pixels")
    canvas = np.zeros((y2 - y1, x2 - x1), np.uint8)
    draw(canvas, (-x1, -y1))
    return tight(canvas.astype(bool), y1, x1)


def tight(mask: np.ndarray, y: int, x: int) -> Drawn | None:
    """Crops a mask to the bounding box of its true pixels.

    Args:
        mask: `[h, w]` bool.
        y: row of its first pixel in the image.
        x: column of its first pixel in the image.

    Returns:
        A copy and its new (y1, x1); None when no pixel is true.
    """
    if mask.size and mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any():
        return mask.copy(), (y, x)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    cropped = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return cropped.copy(), (y + int(rows[0]), x + int(columns[0]))


def union(drawn: Sequence[Drawn | None]) -> Drawn | None:
    """Joins drawn pieces into one; None when there is none."""
    pieces = [piece for piece in drawn if piece is not None]
    if not pieces:
        return None
    y1, x1 = (min(corner[axis] for _, corner in pieces) for axis in (0, 1))
    y2, x2 = (max(corner[axis] + mask.shape[axis] for mask, corner in pieces) for axis in (0, 1))
    limits.check_decoded((y2 - y1) * (x2 - x1), what=f"an object of {y2 - y1} x {x2 - x1} pixels")
    if len(pieces) == 1:
        return pieces[0]
    canvas = np.zeros((y2 - y1, x2 - x1), bool)
    for mask, (y, x) in pieces:
        canvas[y - y1 : y - y1 + mask.shape[0], x - x1 : x - x1 + mask.shape[1]] |= mask
    return canvas, (y1, x1)
