"""Fills outlines of any number of points in a time limited by their length.

OpenCV sorts the edges that cross a row by exchanging neighbours, which takes hours for a million edges that cross each
other. Here the crossings of a row are counted per column instead, which needs no sorting.
Source: `cv2.fillPoly`; the pixels are the same, bit for bit.
"""

from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.errors import UserError

MOST_OUTLINE = 2**26  # pixels inside the canvas, a few seconds to draw
MOST_EXCHANGES = 2.0e7  # exchanges of neighbours in OpenCV's sort, about 0.1 s
SHIFT = 16  # binary places of a column
ONE = 1 << SHIFT


def fill(canvas: np.ndarray, ring: np.ndarray, *, value: int, offset: tuple[int, int]) -> None:
    """Fills a ring, including its outline.

    Args:
        canvas: `[h, w]` uint8, changed in place.
        ring: `[n, 2]` int32, xy pixels.
        value: of the pixels that the ring covers.
        offset: (x, y) that is added to the points.

    Raises:
        UserError: the outline is longer than `MOST_OUTLINE`.
    """
    check_length(canvas, ring, offset)
    if _exchanges(ring[:, 1]) <= MOST_EXCHANGES:
        cv2.fillPoly(canvas, [ring], value, offset=offset)
        return
    moved = ring.astype(np.int64) + offset
    closed = np.concatenate((moved[-1:], moved))
    _fill_rows(canvas, _edges(closed, canvas.shape), value)
    cv2.polylines(canvas, [closed.astype(np.int32)], False, value)


def check_length(canvas: np.ndarray, ring: np.ndarray, offset: tuple[int, int]) -> None:
    """Checks that an outline is not too long to draw.

    Args:
        canvas: `[h, w]`; only the part of the outline inside counts.
        ring: `[n, 2]` int32, xy pixels.
        offset: (x, y) that is added to the points.

    Raises:
        UserError: it is longer than `MOST_OUTLINE`.
    """
    height, width = canvas.shape
    inside = np.clip(ring.astype(np.int64) + offset, -1, (width, height))
    length = int(np.abs(inside - np.roll(inside, 1, axis=0)).max(axis=1, initial=0).sum())
    if length > MOST_OUTLINE:
        raise UserError(
            f"an outline of {len(ring)} points is {length} pixels long, more than {MOST_OUTLINE}; simplify it"
        )


class _Edges(NamedTuple):
    """The non-horizontal edges of an outline.

    Attributes:
        top: `[n]` int64, first row.
        bottom: `[n]` int64, row after the last.
        column: `[n]` int64, column at the first row, fixed-point with `SHIFT` binary places.
        step: `[n]` int64, change of the column from row to row, in the same form.
    """

    top: np.ndarray
    bottom: np.ndarray
    column: np.ndarray
    step: np.ndarray


def _exchanges(rows: np.ndarray) -> float:
    """Computes an upper bound on the exchanges of neighbours in OpenCV's sort.

    The bound is the sum over all rows of the squared number of edges that cross the row; 0 for outlines so small that
    they need no count.
    """
    first, count = int(rows.min()), int(rows.max()) - int(rows.min()) + 1
    if count * len(rows) ** 2 <= MOST_EXCHANGES:
        return 0.0
    previous = np.roll(rows, 1)
    starts = np.bincount(np.minimum(rows, previous) - first, minlength=count)
    ends = np.bincount(np.maximum(rows, previous) - first, minlength=count)
    return float((np.cumsum(starts - ends).astype(np.float64) ** 2).sum())


def _edges(closed: np.ndarray, shape: tuple[int, ...]) -> _Edges:
    height, width = shape
    starts, ends = closed[:-1], closed[1:]
    sloped = starts[:, 1] != ends[:, 1]
    starts, ends = starts[sloped], ends[sloped]
    cut_starts, cut_ends = starts.copy(), ends.copy()
    beyond = ((starts < 0) | (ends < 0) | (starts >= (width, height)) | (ends >= (width, height))).any(axis=1)
    for index in np.flatnonzero(beyond):  # OpenCV takes the slope of the part inside the canvas
        _, first, last = cv2.clipLine((0, 0, width, height), starts[index].tolist(), ends[index].tolist())
        rows = (first[1], last[1]) if first[1] != last[1] else (starts[index, 1], ends[index, 1])
        cut_starts[index], cut_ends[index] = (first[0], rows[0]), (last[0], rows[1])
    run, rise = (cut_ends - cut_starts).T
    step = np.sign(run) * np.sign(rise) * ((np.abs(run) << SHIFT) // np.abs(rise))  # cut off towards zero
    down = starts[:, 1] < ends[:, 1]
    anchor = np.where(down[:, None], cut_starts, cut_ends)
    top, bottom = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    return _Edges(top, bottom, (anchor[:, 0] << SHIFT) + (top - anchor[:, 1]) * step, step)


def _fill_rows(canvas: np.ndarray, edges: _Edges, value: int) -> None:
    """Fills a canvas row by row by the even-odd rule.

    A pixel is filled where an odd number of edges crosses its row to the left of it, or where an edge meets it exactly.
    """
    height, width = canvas.shape
    edges = _Edges(*(values[edges.bottom > 0] for values in edges))
    first = np.clip(edges.top, 0, height)
    order = np.argsort(first, kind="stable")
    new = np.searchsorted(first[order], np.arange(height + 1))  # where each row's edges begin
    bottom, step = edges.bottom[order], edges.step[order]
    column = (edges.column + (first - edges.top) * edges.step)[order]
    active = _Edges(*(np.empty(0, np.int64),) * 4)
    for row in range(height):
        going, added = active.bottom > row, slice(new[row], new[row + 1])
        active = _Edges(
            active.top,
            np.concatenate((active.bottom[going], bottom[added])),
            np.concatenate((active.column[going] + active.step[going], column[added])),
            np.concatenate((active.step[going], step[added])),
        )
        columns = np.clip(active.column >> SHIFT, -1, width - 1)
        exact = (active.column & (ONE - 1) == 0) & (active.column >= 0) & (active.column < width << SHIFT)
        counts = np.bincount(columns + 1, minlength=width + 1)
        inside = np.cumsum(counts[:width]) & 1 == 1
        inside[columns[exact]] = True
        canvas[row, inside] = value
