"""Finds objects whose labels may be wrong, each with the reasons.

A reason compares an object with the others of its class, or with its neighbours; it is a hint, not a verdict.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.report import statistics, svg
from mrcnn.report.records import DataFacts, ImageFacts, ObjectFacts
from mrcnn.report.statistics import CELL, Fit

DOUBLE = 0.8  # IoU of the masks of two objects that are probably one, labelled twice
LEAST_OBJECTS = 8  # of a class whose typical size and shape are known
FACTOR, SPREADS = 2.0, 4.0  # an unusual value differs from the median by so much, and by so many standard deviations
DEVIATION = 1.4826  # standard deviation of a normal distribution by its median absolute deviation
WHOLE = 0.95  # share of the image that an object covers
MANY_PARTS = 3
FULL, LOOSE = 0.99, 0.9  # share of its box that a rectangle's mask fills, and the median of a class of other shapes


class Suspect(NamedTuple):
    """One object and why its label may be wrong.

    Attributes:
        image: index in `DataFacts.images`.
        item: index in its `objects`.
        reasons: short texts, the weightiest first; empty for an object without any.
        weight: of the reasons together.
    """

    image: int
    item: int
    reasons: tuple[str, ...] = ()
    weight: float = 0.0


class Typical(NamedTuple):
    """Medians of a class, and how far its objects are from them.

    Attributes:
        side: logarithm (base 2) of the side of a square of the mask's area, pixels of the image.
        ratio: logarithm (base 2) of width / height.
        fill: share of the box that the mask fills.
        side_spread: standard deviation of `side`, from its median absolute deviation, which outliers hardly change.
        ratio_spread: the same of `ratio`.
    """

    side: float
    ratio: float
    fill: float
    side_spread: float
    ratio_spread: float


def typical(data: DataFacts) -> dict[str, Typical]:
    """Computes the medians of each class with at least `LEAST_OBJECTS` objects."""
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for _, item in statistics.learnt(data):
        rows[item.title].append((np.log2(item.area) / 2, np.log2(item.width / item.height), _fill(item)))
    found = {}
    for title, values in rows.items():
        if len(values) >= LEAST_OBJECTS:
            medians = np.median(values, axis=0)
            spreads = DEVIATION * np.median(np.abs(np.array(values) - medians), axis=0)
            found[title] = Typical(*medians.tolist(), *spreads[:2].tolist())
    return found


def find(data: DataFacts, fit: Fit) -> list[Suspect]:
    """Examines all objects to learn.

    Args:
        data: the records.
        fit: the model input at which small objects vanish.

    Returns:
        One for each object, also without a reason, in the order of the images.
    """
    medians = typical(data)
    found = []
    for index, image in enumerate(data.images):
        scale = fit.scale(image.size_hw)
        for place, item in enumerate(image.objects):
            if not item.ignored:
                reasons = sorted(_reasons(image, item, scale=scale, medians=medians), reverse=True)
                texts = tuple(text for _, text in reasons)
                found.append(Suspect(index, place, texts, sum(weight for weight, _ in reasons)))
    return found


def ranked(suspects: Sequence[Suspect], data: DataFacts, *, most: int) -> dict[str, list[Suspect]]:
    """Chooses the objects of each class that are shown: the most suspicious first, then evenly spread others.

    Args:
        suspects: from `find`.
        data: the records.
        most: largest number of a class.

    Returns:
        By title, in the order of the classes; classes without objects are left out.
    """
    classes: dict[str, list[Suspect]] = {title: [] for title in data.titles}
    for suspect in suspects:
        classes[data.images[suspect.image].objects[suspect.item].title].append(suspect)
    return {title: _chosen(found, most) for title, found in classes.items() if found}


def _chosen(found: list[Suspect], most: int) -> list[Suspect]:
    first = sorted((one for one in found if one.reasons), key=lambda one: -one.weight)[:most]
    others = [one for one in found if not one.reasons]
    room = min(len(others), most - len(first))
    return first + [others[number * len(others) // room] for number in range(room)]


def _reasons(
    image: ImageFacts, item: ObjectFacts, *, scale: tuple[float, float], medians: Mapping[str, Typical]
) -> list[tuple[float, str]]:
    found = []
    if item.overlap >= DOUBLE:
        other = image.objects[item.overlaps_with]
        what = "another of this class" if other.title == item.title else f"one of class {other.title}"
        found.append((4 + item.overlap, f"covers the same pixels as {what} (IoU {item.overlap:.2f})"))
    side = min(item.height * scale[0], item.width * scale[1])
    if side < CELL:
        found.append((2 + 1 / (1 + side), f"{side:.1f} pixels in the model input"))
    height, width = image.size_hw
    if item.area >= WHOLE * height * width:
        found.append((2.5, "covers the whole image"))
    if item.parts >= MANY_PARTS:
        found.append((1 + min(1.0, item.parts / 20), f"{item.parts} separate parts"))
    if item.title in medians:
        found += _unusual(item, medians[item.title], is_cut=_touches_border(item, image.size_hw))
    return found


def _unusual(item: ObjectFacts, median: Typical, *, is_cut: bool) -> list[tuple[float, str]]:
    """Compares an object with the medians of its class.

    An object that the image's border cuts may be small or of any shape.
    """
    found = []
    size = float(np.log2(item.area)) / 2 - median.side
    ratio = float(np.log2(item.width / item.height)) - median.ratio
    if (size > 0 or not is_cut) and abs(size) >= max(np.log2(FACTOR), SPREADS * median.side_spread):
        factor = svg.number(float(f"{2 ** abs(size):.2g}"))
        found.append((1 + abs(size) / 4, f"{factor} times {'larger' if size > 0 else 'smaller'} than usual"))
    if not is_cut and abs(ratio) >= max(np.log2(FACTOR), SPREADS * median.ratio_spread):
        found.append((1.0, "unusually wide" if ratio > 0 else "unusually tall"))
    if _fill(item) >= FULL and median.fill < LOOSE and min(item.height, item.width) > CELL:
        found.append((1.5, "a rectangle, unlike the others"))
    return found


def _touches_border(item: ObjectFacts, size_hw: tuple[int, int]) -> bool:
    y1, x1, y2, x2 = item.box
    return y1 <= 0 or x1 <= 0 or y2 >= size_hw[0] or x2 >= size_hw[1]


def _fill(item: ObjectFacts) -> float:
    return item.area / (item.height * item.width)
