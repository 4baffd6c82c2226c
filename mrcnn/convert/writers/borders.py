"""Follows the borders between the true and false pixels of a mask, along the sides of pixels.

OpenCV follows the pixels at a border. The sides that lie between its steps are listed, pixel by pixel. OpenCV takes
pixels that touch at a corner for connected; where two walks pass such a corner, each continues as the other one did.
Source: Suzuki and Abe 1985 by OpenCV (`findContours`). Shape letters: h w the mask, m pixels of all contours, n sides
of all walks, k walks, c corners of a border.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)  # sides of a pixel in the order of a walk with the pixel on the right
CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # (x, y) where the walk along each side begins
MIDDLES = np.array([(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)], np.float32)
MOST_STACKED = 2**24  # pixels of the canvas with all masks
# Steps are numbered clockwise from the left: even ones lead across a side, odd ones to a corner; 8 stays.
_STEPS = np.array([1, 2, 3, 0, 8, 4, 7, 6, 5])  # by 3 * (dy + 1) + dx + 1


def _side_counts() -> np.ndarray:
    """Counts the sides of a pixel from the step that led to it, clockwise to the step onward, `[81]` by 9 * to + on."""
    turns = [[(to + 4) % 8 + step for step in range(1, (on - to - 4) % 8 or 8)] for to in range(8) for on in range(8)]
    counts = np.full((9, 9), 4)  # a pixel alone
    counts[:8, :8] = np.array([sum(step % 2 == 0 for step in turn) for turn in turns]).reshape(8, 8)
    return counts.ravel()


_SIDE_COUNTS = _side_counts()
_FIRST_SIDES = np.array([_BOTTOM, _BOTTOM, _LEFT, _LEFT, _TOP, _TOP, _RIGHT, _RIGHT, _TOP])  # after a step to a pixel


class Border(NamedTuple):
    """The border of a part or a hole, as a closed line with the mask on the right.

    Attributes:
        corners: `[c, 2]` float32, xy of the pixels' corners where it turns.
        middles: `[n, 2]` float32, xy of the middles of the pixels' sides.
    """

    corners: np.ndarray
    middles: np.ndarray


class _Walks(NamedTuple):
    """Closed walks along sides of pixels, one after the other.

    Attributes:
        pixels: `[n, 2]` xy of the pixel of each side.
        sides: `[n]` which side of it.
        ends: `[k]` where each walk ends.
    """

    pixels: np.ndarray
    sides: np.ndarray
    ends: np.ndarray


def follow(masks: Sequence[np.ndarray]) -> list[list[Border]]:
    """Follows the borders of parts and holes.

    Pixels that touch at a corner alone are in different parts; a hole may be open at a corner. Several masks take less
    time together.

    Args:
        masks: `[h, w]` bool each.

    Returns:
        The borders of each mask in any order; none where no pixel is true.
    """
    heights = [len(mask) for mask in masks]
    width = max((mask.shape[1] for mask in masks), default=0)
    if len(masks) > 1 and (sum(heights) + len(masks)) * width > MOST_STACKED:
        return [follow([mask])[0] for mask in masks]
    tops = np.cumsum([0, *(height + 1 for height in heights)])  # an empty row between two masks
    canvas = np.zeros((tops[-1], width), np.uint8)
    for mask, top in zip(masks, tops.tolist(), strict=False):
        canvas[top : top + len(mask), : mask.shape[1]] = mask
    found: list[list[Border]] = [[] for _ in masks]
    for place, border in _borders(canvas):
        owner = int(np.searchsorted(tops, place, "right")) - 1
        shift = np.array((0, tops[owner]), np.float32)
        found[owner].append(Border(border.corners - shift, border.middles - shift))
    return found


def _borders(canvas: np.ndarray) -> Iterator[tuple[int, Border]]:
    """Yields each border with a row of one of its pixels."""
    contours, _ = cv2.findContours(canvas, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return
    walks = _sides_of(*_chains(contours))
    touching = _touching_corners(canvas)
    if touching.any():
        walks = _separated(walks, touching)
    pixels, sides, ends = walks
    starts = np.concatenate(([0], ends[:-1]))
    before = np.empty_like(sides)
    before[1:], before[starts] = sides[:-1], sides[ends - 1]
    turns = sides != before
    corners = (pixels[turns] + CORNERS[sides[turns]]).astype(np.float32)
    middles = pixels.astype(np.float32) + MIDDLES[sides]
    corner_ends = np.cumsum(turns)[ends - 1]
    rows = pixels[starts, 1].tolist()
    first, first_corner = 0, 0
    for row, end, corner_end in zip(rows, ends.tolist(), corner_ends.tolist(), strict=True):
        yield row, Border(corners[first_corner:corner_end], middles[first:end])
        first, first_corner = end, corner_end


def _chains(contours: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Joins OpenCV's contours, which have the mask on the left, the other way round with the same first pixels."""
    ends = np.cumsum([len(contour) for contour in reversed(contours)])
    order = np.arange(-1, ends[-1] - 1)
    order[np.concatenate(([0], ends[:-1]))] = ends - 1
    return np.concatenate(contours)[::-1, 0][order], ends


def _sides_of(chain: np.ndarray, ends: np.ndarray) -> _Walks:
    """Lists the sides at the border of each pixel of closed chains.

    Args:
        chain: `[m, 2]` int32, xy of neighbouring pixels of one chain after the other, with the mask on the right.
        ends: `[k]` where each chain ends.
    """
    starts = np.concatenate(([0], ends[:-1]))
    steps = np.empty_like(chain)
    steps[:-1] = chain[1:] - chain[:-1]
    steps[ends - 1] = chain[starts] - chain[ends - 1]
    onward = _STEPS[3 * steps[:, 1] + steps[:, 0] + 4]
    arrived = np.empty_like(onward)
    arrived[1:] = onward[:-1]
    arrived[starts] = onward[ends - 1]
    counts = _SIDE_COUNTS[9 * arrived + onward]
    sums = counts.cumsum()
    owners = np.repeat(np.arange(len(chain)), counts)
    sides = ((_FIRST_SIDES[arrived] - sums + counts)[owners] + np.arange(len(owners))) & 3
    return _Walks(chain[owners], sides, sums[ends - 1])


def _touching_corners(mask: np.ndarray) -> np.ndarray:
    """Finds the corners inside a mask where two pixels touch while the two others there differ from them.

    Returns:
        `[h - 1, w - 1]` bool.
    """
    across = mask[:, :-1] != mask[:, 1:]
    return across[:-1] & across[1:] & (mask[:-1, 1:] == mask[1:, :-1])


def _separated(walks: _Walks, touching: np.ndarray) -> _Walks:
    """Exchanges the ways onward of the two passages at each touching corner.

    Args:
        walks: which go on across these corners.
        touching: from `_touching_corners`.
    """
    pixels, sides, ends = walks
    onward = np.arange(1, len(sides) + 1)
    onward[ends - 1] = np.concatenate(([0], ends[:-1]))
    x, y = (pixels + CORNERS[(sides + 1) & 3]).T  # where each side ends
    height, width = touching.shape
    corners = np.zeros((height + 2, width + 2), bool)
    corners[1:-1, 1:-1] = touching
    (passing,) = np.nonzero(corners[y, x])
    places = y[passing].astype(np.int64) * (width + 2) + x[passing]
    pairs = passing[np.argsort(places, kind="stable")].reshape(-1, 2)
    onward[pairs] = onward[pairs[:, ::-1]]
    circles = _circles(onward)
    order = np.concatenate(circles)
    return _Walks(pixels[order], sides[order], np.cumsum([len(circle) for circle in circles]))


def _circles(onward: np.ndarray) -> list[np.ndarray]:
    """Lists the circles of a permutation, in stretches of successive numbers.

    Args:
        onward: `[n]` the number after each; mostly the next one.
    """
    (ends,) = np.nonzero(onward != np.arange(1, len(onward) + 1))
    starts = np.concatenate(([0], ends[:-1] + 1))
    following = np.searchsorted(starts, onward[ends]).tolist()  # a stretch begins wherever another one leads
    stretches = [np.arange(start, end + 1) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    circles = []
    for first, after in enumerate(following):  # also sees what was visited meanwhile
        if after < 0:
            continue
        circle, place = [], first
        while after >= 0:
            circle.append(stretches[place])
            following[place] = -1
            place = after
            after = following[place]
        circles.append(np.concatenate(circle))
    return circles
