"""Draws a COCO `segmentation` as a mask cropped to the object's box, and encodes such masks.

No step takes memory or time proportional to the image's area. The pixels are those of COCO's own mask code, which
converts polygons to run lengths; only the box is then expanded to pixels. Shape letters: n runs, h w the box.
Source: COCO mask API (cocodataset.org), run lengths column by column, and its compressed text form.
"""

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval import mask_api_new_cpp as coco_runs  # the functions that `core.mask` lacks
from faster_coco_eval.core import mask as coco_mask

from mrcnn.data.tally import short
from mrcnn.errors import UserError

MOST_PIXELS = 2**28  # of an object's box
FAR_SIDES = 16  # how far outside a point may lie, in image sides; a line from farther away takes long to draw
MOST_OUTLINE = 2**21  # pixels; the longest outline of an object, half a second to draw
MOST_PARTS = 2**16  # polygons of an object, two seconds to join

FLAT = "object whose polygon is one flat list of numbers, read as one polygon"
PAIRS = "object whose polygon is a list of [x, y] pairs, read as such"
TEXT = "object whose numbers are text, read as numbers"
SHORT_PART = "object with a part of fewer than 3 points or an odd count of numbers, drawn without that part"

NO_MASK = "no mask"
NO_PIXEL = "the mask covers no pixel of the image"
MALFORMED = "the segmentation is neither polygons nor run lengths"
BAD_OUTLINE = "the outline has invalid coordinates"
BAD_RUNS = "the run lengths do not fit the image"
TOO_LARGE = "the mask is too large"

_MIN_RING = 6  # numbers in the shortest ring, three points; the mask functions take four numbers for a box
_CHARACTER_OF_0 = 48  # in the compressed form a character holds five bits and a flag for a following character
_MOST_CHARACTERS = 7  # of one number, 35 bits
_LONGEST_NUMBER = 40  # characters of a number that is written as text


Rle = dict[str, Any]  # {"size": [H, W], "counts": str}, COCO's compressed form
Runs = tuple[np.ndarray, np.ndarray]  # `[n]` first positions and `[n]` ends, pixels counted column by column


class Unusable(UserError):
    """An object that cannot be drawn."""

    def __init__(self, reason: str, detail: str = ""):
        """Joins both arguments to the message.

        Args:
            reason: the same for all objects with this problem, so that they can be counted.
            detail: of this object.
        """
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class Drawing(NamedTuple):
    """An object's pixels.

    Attributes:
        mask: `[h, w]` bool; each border row and column has a true pixel.
        origin: row and column of its first pixel in the image.
        notes: unusual forms in the file, from the constants above.
    """

    mask: np.ndarray
    origin: tuple[int, int]
    notes: tuple[str, ...] = ()


def draw(segmentation: Any, *, height: int, width: int) -> Drawing:
    """Draws polygons or run lengths.

    Args:
        segmentation: as in the file: lists of x1, y1, x2, y2, …, or `size` and `counts`.
        height: of the image, pixels.
        width: of the image, pixels.

    Raises:
        Unusable: there is no mask, it has no pixel in the image, or it is malformed or too large.
    """
    runs, notes = read_runs(segmentation, height=height, width=width)
    mask, origin = unroll(runs, height)
    return Drawing(mask=mask, origin=origin, notes=notes)


def read_runs(segmentation: Any, *, height: int, width: int) -> tuple[Runs, tuple[str, ...]]:
    """Converts polygons or run lengths to the runs of an object's pixels.

    Arguments and errors are those of `draw`.

    Returns:
        At least one run, and notes as in `Drawing`.
    """
    if not segmentation:
        raise Unusable(NO_MASK)
    if isinstance(segmentation, Mapping):
        counts, notes = _read_run_lengths(segmentation, height=height, width=width)
        starts, ends = _runs(counts)
    elif isinstance(segmentation, list):
        rings, notes = _read_rings(segmentation)
        _check_rings(rings, height=height, width=width)
        starts, ends = _runs(_drawn_counts(rings, height=height, width=width))
        if not len(starts) and all(0 <= ring.min() and ring.max() <= 1 for ring in rings):
            raise Unusable(BAD_OUTLINE, "all are between 0 and 1; they must be pixels, not fractions of the image")
    else:
        raise Unusable(MALFORMED, f"it is {type(segmentation).__name__} {short(segmentation)}")
    if not len(starts):
        raise Unusable(NO_PIXEL)
    if height * width <= MOST_PIXELS:
        return (starts, ends), notes
    y1, x1, y2, x2 = box_of((starts, ends), height)
    if (y2 - y1) * (x2 - x1) > MOST_PIXELS:
        raise Unusable(TOO_LARGE, f"its box has {y2 - y1} x {x2 - x1} pixels, more than {MOST_PIXELS}")
    return (starts, ends), notes


def box_of(runs: Runs, height: int) -> tuple[int, int, int, int]:
    """Computes the box of runs.

    Args:
        runs: at least one.
        height: of the image, pixels.

    Returns:
        y1, x1, y2, x2 in pixels of the image, y2 and x2 exclusive.
    """
    starts, ends = runs
    x1, x2 = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    above = starts // height * height  # pixels of the columns before
    rows, last_rows = starts - above, ends - above
    if (y2 := int(last_rows.max())) > height:  # a run that goes on in the next column
        return 0, x1, height, x2
    return int(rows.min()), x1, y2, x2


def unroll(runs: Runs, height: int, box: tuple[int, int, int, int] | None = None) -> tuple[np.ndarray, tuple[int, int]]:
    """Expands runs to a mask, cropped to its box.

    Args:
        runs: at least one.
        height: of the image, pixels.
        box: from `box_of`; None computes it.

    Returns:
        The mask `[h, w]` bool, and row and column of its first pixel in the image.
    """
    y1, x1, y2, x2 = box or box_of(runs, height)
    rows, columns = y2 - y1, x2 - x1
    edges = np.empty(2 * len(runs[0]), np.int64)
    edges[::2], edges[1::2] = runs
    # Positions in the image's columns -> positions in the box's columns, clipped at its upper and lower border
    before = edges // height
    inside = np.minimum(np.maximum(edges - before * height - y1, 0), rows) + (before - x1) * rows
    lengths = np.empty(len(edges) + 1, np.int64)
    lengths[0], lengths[1:-1], lengths[-1] = inside[0], inside[1:] - inside[:-1], rows * columns - inside[-1]
    values = np.zeros(len(lengths), bool)
    values[1::2] = True
    mask = np.repeat(values, lengths).reshape(columns, rows).T
    return np.ascontiguousarray(mask), (y1, x1)


def encode_crop(crop: np.ndarray, origin: tuple[int, int], *, size: tuple[int, int]) -> Rle:
    """Encodes a cropped mask as COCO run lengths of the whole image.

    Pixels outside the crop are false. The time depends on the size of the crop, not of the image.

    Args:
        crop: `[h, w]` bool.
        origin: row and column of the crop's first pixel in the image.
        size: height and width of the image.

    Returns:
        `size` [H, W] and `counts` (ASCII), ready for JSON.
    """
    (y, x), (height, width) = origin, (int(side) for side in size)
    columns = np.zeros((crop.shape[1], crop.shape[0] + 2), dtype=np.int8)
    columns[:, 1:-1] = crop.T
    steps = np.diff(columns, axis=1)  # [w, h + 1], 1 where a run starts, -1 behind its end
    starts, ends = (
        (x + column) * height + y + row for column, row in (np.nonzero(steps == 1), np.nonzero(steps == -1))
    )
    # COCO's runs are column-major: one that ends where the next column's begins is the same run (setxor1d removes both
    # edges), and union1d adds the image's end without a last run of length 0
    edges = np.union1d(np.setxor1d(starts, ends), [height * width])
    counts = np.diff(edges, prepend=0).tolist()
    run = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": run["counts"].decode("ascii")}


def has_mask(segmentation: Any) -> bool:
    """Checks whether a segmentation has content; boxes without a mask have `[]`, `[[]]` or null."""
    return any(segmentation) if isinstance(segmentation, list) else bool(segmentation)


def unpack(text: str | bytes) -> np.ndarray:
    """Decodes compressed run lengths.

    Returns:
        `[n]` int64; not checked: for a wrong text they may be negative or have any sum.

    Raises:
        Unusable: a character is invalid, the text is cut off, or a number is too large.
    """
    try:
        data = text.encode("ascii") if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise Unusable(BAD_RUNS, "invalid character in the compressed run lengths") from error
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - _CHARACTER_OF_0
    if not codes.size:
        return codes
    if codes.min() < 0 or codes.max() > 63:
        raise Unusable(BAD_RUNS, "invalid character in the compressed run lengths")
    ends = np.flatnonzero(codes & 32 == 0)  # the last character of each number
    if not ends.size or ends[-1] != codes.size - 1:
        raise Unusable(BAD_RUNS, "the compressed run lengths are cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    places = np.arange(codes.size) - np.repeat(starts, ends - starts + 1)
    if places.max() >= _MOST_CHARACTERS:
        raise Unusable(BAD_RUNS, "a number of the compressed run lengths is too large")
    values = np.add.reduceat((codes & 31) << (5 * places), starts)
    values -= np.where(codes[ends] & 16, 1 << (5 * (places[ends] + 1)), 0)  # the sign
    for first in (1, 2):  # from the fourth on, each is the difference to the last but one
        values[first::2] = np.cumsum(values[first::2])
    return values


def _drawn_counts(rings: Sequence[np.ndarray], *, height: int, width: int) -> np.ndarray:
    """Computes the run lengths of the union of rings, `[n]` int64."""
    drawn = coco_mask.frPyObjects([ring.tolist() for ring in rings], height, width)
    whole = drawn[0] if len(drawn) == 1 else coco_mask.merge(drawn)
    return np.array(coco_runs.toUncompressedRLE([whole])[0]["counts"], np.int64)


def _runs(counts: np.ndarray) -> Runs:
    """Converts run lengths to the runs of true pixels, without runs of length 0."""
    edges = np.cumsum(counts)
    ends = edges[1::2]
    starts = edges[::2][: len(ends)]
    is_run = ends > starts
    return (starts, ends) if is_run.all() else (starts[is_run], ends[is_run])


def _read_run_lengths(
    segmentation: Mapping[str, Any], *, height: int, width: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list) or not isinstance(counts, list | str):
        raise Unusable(MALFORMED, "an object needs `size` and `counts`")
    sides, notes = _numbers(size)
    if list(sides) != [height, width]:
        raise Unusable(BAD_RUNS, f"they are for {short(size)} (height, width), the image has {[height, width]}")
    runs, more = (unpack(counts), ()) if isinstance(counts, str) else _numbers(counts)
    pixels = height * width
    if not ((runs >= 0) & (runs <= pixels) & (np.floor(runs) == runs)).all():
        raise Unusable(BAD_RUNS, f"one is no whole number from 0 to the image's {pixels} pixels")
    runs = runs.astype(np.int64)
    if runs.sum() != pixels:
        raise Unusable(BAD_RUNS, f"they add up to {runs.sum()} pixels, the image has {pixels}")
    return runs, notes or more


def _read_rings(segmentation: list[Any]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Reads the rings of a polygon, and notes on unusual forms."""
    notes: set[str] = set()
    if not isinstance(segmentation[0], list):
        segmentation = [segmentation]
        notes.add(FLAT)
    elif len(segmentation) >= _MIN_RING // 2 and all(_is_pair(item) for item in segmentation):
        segmentation = [segmentation]
    rings = []
    for ring in segmentation:
        if isinstance(ring, list) and ring and all(map(_is_pair, ring)):
            ring = [value for pair in ring for value in pair]
            notes.add(PAIRS)
        elif not isinstance(ring, list):
            raise Unusable(MALFORMED, f"a part of it is {short(ring)}")
        numbers, as_text = _numbers(ring)
        notes.update(as_text)
        if len(numbers) < _MIN_RING or len(numbers) % 2:
            notes.update((SHORT_PART,) if len(numbers) else ())
        else:
            rings.append(numbers)
    if not rings:
        raise Unusable(BAD_OUTLINE, "fewer than 3 points, or a number too many") if notes else Unusable(NO_MASK)
    return rings, tuple(sorted(notes))


def _check_rings(rings: Sequence[np.ndarray], *, height: int, width: int) -> None:
    """Checks that the mask functions can draw the rings in limited time and memory."""
    if len(rings) > MOST_PARTS:
        raise Unusable(TOO_LARGE, f"it has {len(rings)} parts, more than {MOST_PARTS}")
    values = rings[0] if len(rings) == 1 else np.concatenate(rings)
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Unusable(BAD_OUTLINE, "one is no finite number")
    reach = FAR_SIDES * max(height, width)
    if low < -reach or high > reach + max(height, width):
        far = max(low, high, key=abs)
        raise Unusable(BAD_OUTLINE, f"{far:g} is far outside the image of {width} x {height} pixels")
    if (high - low) * len(values) <= MOST_OUTLINE:  # more than its length
        return
    points = values.reshape(-1, 2)
    following = np.roll(points, -1, axis=0)
    ends = np.cumsum([len(ring) // 2 for ring in rings])
    following[ends - 1] = points[np.concatenate(([0], ends[:-1]))]  # each ring is closed
    length = np.abs(following - points).max(axis=1).sum()
    if length > MOST_OUTLINE:
        raise Unusable(TOO_LARGE, f"its outline is {length:.0f} pixels long, more than {MOST_OUTLINE}")


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and not any(isinstance(value, list) for value in item)


def _numbers(items: list[Any]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Converts numbers, also those written as text, to `[n]` float64, with notes."""
    try:
        return np.array(array("d", items)), ()
    except TypeError:
        pass
    except OverflowError:
        return np.array([math.inf]), ()
    try:
        return np.array(array("d", [float(v[:_LONGEST_NUMBER]) if isinstance(v, str) else v for v in items])), (TEXT,)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unusable(MALFORMED, f"it holds something that is no number ({error})") from error
