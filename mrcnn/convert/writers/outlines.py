"""Traces the outlines of a mask, such that COCO's mask code draws exactly its pixels from them.

The border between true and false pixels is a chain of pixel sides. Two outlines follow it: one through the middles of
the sides, thinned to fewer points, and one along the sides, with a point at each turn. The first one cuts corners, but
stays nearer to the border than any pixel's centre. COCO's code rounds points to fifths of a pixel, so the pixels that
it draws are compared with the mask; where they differ, or where the thinned outline has as many points, the second one
is used. Its points are corners of pixels, from which COCO's code draws exactly the pixels inside.
Pixels that touch at a corner alone belong to different parts; a hole may be open at a corner.
Source: COCO mask API (cocodataset.org), `rleFrPoly`; Douglas and Peucker 1973 by OpenCV.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from faster_coco_eval import mask_api_new_cpp as coco_runs  # the functions that `core.mask` lacks

from mrcnn.convert.writers import borders

THINNED = 0.3  # pixels that a thinned outline may be off; a pixel's centre is at least 0.35 from the middles' outline
MOST_COMPARED = 16  # rings of a mask; one with more has outlines along the pixels' sides
MOST_PAIRS = 2**22  # of points whose distances are computed, 100 MB


class Outlines(NamedTuple):
    """The outlines of a mask.

    Attributes:
        parts: `[n, 2]` xy pixels each, the largest first; clockwise as seen in the image.
        holes: the same of its holes; counter-clockwise.
    """

    parts: tuple[np.ndarray, ...]
    holes: tuple[np.ndarray, ...] = ()

    @property
    def rings(self) -> tuple[np.ndarray, ...]:
        """The outlines of parts, then those of holes."""
        return (*self.parts, *self.holes)


def trace(mask: np.ndarray, origin: tuple[int, int] = (0, 0)) -> Outlines:
    """Traces the outlines of a mask.

    Args:
        mask: `[h, w]` bool with at least one true pixel.
        origin: row and column of its first pixel in the image.

    Returns:
        Outlines in pixels of the image, whole or half numbers. COCO's code draws the mask from them: the pixels of
        all parts without those of the holes.
    """
    return trace_all([(mask, origin)])[0]


def trace_all(drawn: Sequence[tuple[np.ndarray, tuple[int, int]]]) -> list[Outlines]:
    """Traces the outlines of several masks, in less time than one after the other.

    Args:
        drawn: the arguments of `trace` for each.

    Returns:
        The results of `trace`.
    """
    found = borders.follow([mask for mask, _ in drawn])
    return [_outlines(lines, mask, origin) for lines, (mask, origin) in zip(found, drawn, strict=True)]


def _outlines(lines: Sequence[borders.Border], mask: np.ndarray, origin: tuple[int, int]) -> Outlines:
    rings = [line.corners for line in lines]
    areas = [cv2.contourArea(ring, oriented=True) for ring in rings]  # negative for a hole
    if len(lines) <= MOST_COMPARED:
        thin = [_thinned(line) for line in lines]
        rings = thin if _draws(thin, areas, mask) else rings
    order = sorted(range(len(rings)), key=areas.__getitem__, reverse=True)
    moved = [rings[index].astype(np.float64) + origin[::-1] for index in order]
    count = sum(area > 0 for area in areas)
    return Outlines(tuple(moved[:count]), tuple(moved[count:]))


def joined(outlines: Outlines) -> np.ndarray:
    """Joins the outlines of parts and holes to one ring, by lines that are walked forth and back.

    Each outline is joined to the ring so far where both are nearest. COCO's mask code and OpenCV's `fillPoly` leave
    holes empty; the former draws no pixel of the lines.

    Returns:
        `[n, 2]` xy pixels.
    Source: Ultralytics' converter of COCO data joins parts in this way (`merge_multi_segment`), but not holes.
    """
    ring, *others = outlines.rings
    for other in others:
        here, there = _nearest(ring, other)
        walk = np.roll(other, -there, axis=0)
        ring = np.concatenate((ring[: here + 1], walk, walk[:1], ring[here:]))
    return ring


def _nearest(ring: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Finds the points of two rings that are nearest to each other; of long rings, among every k-th point."""
    step = math.ceil(math.sqrt(len(ring) * len(other) / MOST_PAIRS))
    distances = ((ring[::step, None] - other[None, ::step]) ** 2).sum(axis=2)
    here, there = np.unravel_index(distances.argmin(), distances.shape)
    return int(here) * step, int(there) * step


def _thinned(line: borders.Border) -> np.ndarray:
    """Lists few of the middles of a border, `[n, 2]` float32; its corners where those are fewer."""
    thin = cv2.approxPolyDP(line.middles[:, None], THINNED, True)[:, 0]
    return thin if 3 <= len(thin) < len(line.corners) else line.corners


def _draws(rings: Sequence[np.ndarray], areas: Sequence[float], mask: np.ndarray) -> bool:
    """Checks whether COCO's code draws a mask from rings, those of negative area being holes."""
    height, width = mask.shape
    runs = [coco_runs.rleFrPoly(ring.ravel().tolist(), len(ring), height, width) for ring in rings]
    if min(areas) < 0:
        # a count a pixel: parts that overlap, or a hole outside of its part, would be hidden by a union
        signs = np.where(np.array(areas) > 0, 1, -1).astype(np.int8)
        return bool((coco_runs.rleDecode(runs).astype(np.int8) @ signs == mask).all())
    counts = [np.array(found["counts"]) for found in coco_runs.rleToUncompressedRLE(runs)]
    edges = np.concatenate([np.cumsum(found)[:-1] for found in counts])
    if len(rings) > 1:  # where an even number of edges meet, nothing changes
        places, meeting = np.unique(edges, return_counts=True)
        edges = places[meeting % 2 == 1]
    # the areas exclude that parts overlap
    area = sum(int(found[1::2].sum()) for found in counts)
    return np.array_equal(edges, _edges(mask)) and area == np.count_nonzero(mask)


def _edges(mask: np.ndarray) -> np.ndarray:
    """Finds where the runs of a mask begin and end, column by column, without the end of the last column."""
    columns = mask.T.ravel()
    edges = np.flatnonzero(columns[1:] != columns[:-1]) + 1
    return np.concatenate(([0], edges)) if columns[0] else edges
