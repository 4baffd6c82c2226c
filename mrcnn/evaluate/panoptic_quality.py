"""Panoptic quality of segmentations, and the mean IoU of semantic maps.

Shape letters: K classes, H W the image.
Source: Kirillov et al. (2019), Panoptic Segmentation, equations 1 and 2 and section 4.2 on void and groups; the details
are those of panopticapi's `pq_compute`. Different from there: an image may have several groups of a class.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

VOID = 0  # id of pixels without a segment
MATCH_IOU = 0.5  # two segments match above it, so that each has at most one match
MOST_VOID = 0.5  # a segment without a match is no error if a larger share of it is void or in groups of its class


class Part(NamedTuple):
    """A segment as far as the metric needs it.

    Attributes:
        category: index of its class among all K, things and stuff.
        is_crowd: whether it is a group of objects, which a prediction need not find.
    """

    category: int
    is_crowd: bool = False


class Quality(NamedTuple):
    """Quality of one class, or the means over several.

    Attributes:
        pq: panoptic quality, the product of the other two for a single class.
        sq: mean IoU of the matched segments.
        rq: F1 score of the matches.
    """

    pq: float
    sq: float
    rq: float


class PanopticQuality:
    """Counts matched and unmatched segments over images.

    Attributes:
        objects: `[K]` int, annotated segments without groups.
        found: `[K]` int, predicted segments.
    """

    def __init__(self, count: int):
        """Starts without images.

        Args:
            count: K, number of classes.
        """
        self.objects, self.found = np.zeros(count, int), np.zeros(count, int)
        self._overlaps, self._matched = np.zeros(count), np.zeros(count, int)
        self._false, self._missed = np.zeros(count, int), np.zeros(count, int)

    def add(self, true_ids: np.ndarray, truth: Sequence[Part], *, ids: np.ndarray, found: Sequence[Part]) -> None:
        """Adds one image.

        Args:
            true_ids: `[H, W]` integers: `VOID`, or 1 + the index of the pixel's annotated segment.
            truth: the annotated segments; one without a pixel is left out.
            ids: `[H, W]` integers, the same of the prediction.
            found: the predicted segments; one without a pixel is left out.

        Raises:
            ValueError: the two maps differ in size.
        """
        if true_ids.shape != ids.shape:
            raise ValueError(f"a prediction must have its image's size {true_ids.shape}, got {ids.shape}")
        shared = _shared(true_ids, ids, rows=len(truth) + 1, columns=len(found) + 1)
        true_areas, areas = shared.sum(axis=1), shared.sum(axis=0)
        matched: set[int] = set()
        for row, part in enumerate(truth, start=1):
            if part.is_crowd or not true_areas[row]:
                continue
            self.objects[part.category] += 1
            of_class = [index for index, other in enumerate(found, 1) if other.category == part.category]
            column, iou = _match(shared, row, of_class)
            if iou > MATCH_IOU:
                matched.add(column)
                self._matched[part.category] += 1
                self._overlaps[part.category] += iou
            else:
                self._missed[part.category] += 1
        for column, part in enumerate(found, start=1):
            if not areas[column]:
                continue
            self.found[part.category] += 1
            excused = [VOID, *(row for row, other in enumerate(truth, 1) if other == (part.category, True))]
            if column not in matched and shared[excused, column].sum() <= MOST_VOID * areas[column]:
                self._false[part.category] += 1

    def of(self, categories: Collection[int]) -> Quality:
        """Computes the means over those of the classes that have an annotated or predicted segment; NaN for none."""
        rows = [values for values in map(self._quality, categories) if values is not None]
        if not rows:
            return Quality(math.nan, math.nan, math.nan)
        return Quality(*(float(np.mean(column)) for column in zip(*rows, strict=True)))

    def _quality(self, category: int) -> Quality | None:
        matched, overlaps = int(self._matched[category]), float(self._overlaps[category])
        errors = (int(self._false[category]) + int(self._missed[category])) / 2
        if not matched + errors:
            return None
        rq = matched / (matched + errors)
        sq = overlaps / matched if matched else 0.0
        return Quality(sq * rq, sq, rq)


class MeanIou:
    """Counts the pixels of pairs of an annotated and a predicted class."""

    def __init__(self, count: int):
        """Starts without images.

        Args:
            count: number of classes.
        """
        self._pixels = np.zeros((count, count), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray, *, unlabelled: int) -> None:
        """Adds the pixels of one image.

        Args:
            truth: `[H, W]` integers, the annotated classes.
            predicted: `[H, W]` integers.
            unlabelled: value of annotated pixels that do not count.

        Raises:
            ValueError: the two maps differ in size.
        """
        if truth.shape != predicted.shape:
            raise ValueError(f"a prediction must have its image's size {truth.shape}, got {predicted.shape}")
        counted, count = truth != unlabelled, len(self._pixels)
        self._pixels += _shared(truth[counted], predicted[counted], rows=count, columns=count)

    def result(self) -> tuple[float, np.ndarray]:
        """Computes the mean IoU and those of the classes.

        Returns:
            The mean over the classes that have an annotated pixel, NaN for none; and `[count]` float64, NaN for a
            class without one.
        """
        both = np.diagonal(self._pixels)
        true = self._pixels.sum(axis=1)
        union = true + self._pixels.sum(axis=0) - both
        values = np.where(true > 0, both / np.maximum(union, 1), np.nan)
        return (float(np.nanmean(values)) if (true > 0).any() else math.nan), values


def _shared(first: np.ndarray, second: np.ndarray, *, rows: int, columns: int) -> np.ndarray:
    """Counts the pixels of each pair of values, `[rows, columns]` int64."""
    pairs = first.astype(np.int64).ravel() * columns + second.ravel()
    return np.bincount(pairs, minlength=rows * columns).reshape(rows, columns)


def _match(shared: np.ndarray, row: int, columns: Sequence[int]) -> tuple[int, float]:
    """Finds the prediction of the largest IoU; its void pixels do not count. (0, 0) without predictions."""
    best, best_iou = 0, 0.0
    for column in columns:
        both = shared[row, column]
        union = shared[row].sum() + shared[:, column].sum() - both - shared[VOID, column]
        iou = float(both / union) if union else 0.0
        if iou > best_iou:
            best, best_iou = column, iou
    return best, best_iou
