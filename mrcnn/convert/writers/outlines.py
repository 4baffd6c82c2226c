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
from faster_coco_eval.core import mask as coco_mask

THINNED = 0.3  # pixels that a thinned outline may be off; a pixel's centre is at least 0.35 from the middles' outline
MOST_COMPARED = 16  # rings of a mask; one with more has outlines along the pixels' sides
MOST_PAIRS = 2**22  # of points whose distances are computed, 100 MB
_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)  # sides of a pixel in the order of a walk with the pixel on the right
_CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # (x, y) where the walk along each side begins
_MIDDLES = np.array([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)], np.float32)


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
    walks = _walks(mask)
    exact = [_turns(walk) for walk in walks]
    areas = [_area(ring) for ring in exact]
    if len(walks) <= MOST_COMPARED:
        thin = [_shorter(_thinned(walk), ring) for walk, ring in zip(walks, exact, strict=True)]
        rings = thin if _draws(thin, areas, mask) else exact
    else:
        rings = exact
    order = sorted(range(len(rings)), key=areas.__getitem__, reverse=True)
    moved = [rings[index] + np.array(origin[::-1]) for index in order]
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


class _Walk(NamedTuple):
    """A closed walk along sides of pixels; `[n, 2]` xy of each pixel, `[n]` side of it."""

    pixels: np.ndarray
    sides: np.ndarray


def _walks(mask: np.ndarray) -> list[_Walk]:
    """Finds the walks around parts and holes, with the mask on the right."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), bool)
    padded[1:-1, 1:-1] = mask
    pixels, sides, following = _successors(padded.ravel(), width + 2)
    rows, columns = np.divmod(pixels, width + 2)
    places = np.stack((columns - 1, rows - 1), axis=1)
    return [_Walk(places[cycle], sides[cycle]) for cycle in _cycles(following)]


def _successors(inside: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Finds for each side of a pixel at the border the side where the walk goes on.

    Args:
        inside: `[h * w]` bool, false at the image's border.
        width: w.

    Returns:
        `[n]` position of each pixel, `[n]` its side, and for each the place of its successor in these arrays.
    """
    count = len(inside)
    inner = slice(width, count - width)
    border = np.zeros((4, count), bool)
    steps = np.array((1, width, -1, -width))  # along each side
    for side in (_TOP, _RIGHT, _BOTTOM, _LEFT):
        outward = int(steps[side - 1])
        np.greater(inside[inner], inside[width + outward : count - width + outward], out=border[side, inner])
    ids = np.flatnonzero(border)
    sides, here = np.divmod(ids, count)
    ahead = here + steps[sides]
    across = ahead + steps[sides - 1]
    on = np.where(inside[across], (sides - 1) % 4 * count + across, sides * count + ahead)
    successors = np.where(inside[ahead], on, (sides + 1) % 4 * count + here)
    places = np.empty(4 * count, np.int32)
    places[ids] = np.arange(len(ids))
    return here, sides, places[successors].tolist()


def _cycles(following: list[int]) -> list[list[int]]:
    """Lists the cycles of a permutation, which is changed: what was visited becomes -1."""
    cycles = []
    for first, after in enumerate(following):  # also sees what was visited meanwhile
        if after < 0:
            continue
        cycle: list[int] = []
        place = first
        add = cycle.append  # the loop runs once for each side of a pixel at a border
        while after >= 0:
            add(place)
            following[place] = -1
            place = after
            after = following[place]
        cycles.append(cycle)
    return cycles


def _turns(walk: _Walk) -> np.ndarray:
    """Lists the corners of pixels where a walk turns, `[n, 2]` float32."""
    turns = walk.sides != np.concatenate((walk.sides[-1:], walk.sides[:-1]))
    return (walk.pixels[turns] + _CORNERS[walk.sides[turns]]).astype(np.float32)


def _thinned(walk: _Walk) -> np.ndarray:
    """Lists few of the middles of the sides of a walk, `[n, 2]` float32."""
    middles = walk.pixels.astype(np.float32) + _MIDDLES[walk.sides]
    return cv2.approxPolyDP(middles[:, None], THINNED, True)[:, 0]


def _shorter(thinned: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return thinned if 3 <= len(thinned) < len(exact) else exact


def _draws(rings: Sequence[np.ndarray], areas: Sequence[float], mask: np.ndarray) -> bool:
    """Checks whether COCO's code draws a mask from rings, those of negative area being holes."""
    height, width = mask.shape
    drawn = coco_mask.decode(coco_mask.frPyObjects([ring.ravel().tolist() for ring in rings], height, width))
    if len(rings) == 1:
        return bool((drawn[:, :, 0] == mask).all())
    # a count a pixel: parts that overlap, or a hole outside of its part, would be hidden by a union
    signs = np.where(np.array(areas) > 0, 1, -1).astype(np.int8)
    return bool((drawn.astype(np.int8) @ signs == mask).all())


def _area(ring: np.ndarray) -> float:
    """Computes the area inside a ring; negative for a hole."""
    x, y = ring.astype(np.float64).T
    return float(x[-1] * y[0] - x[0] * y[-1] + x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2
