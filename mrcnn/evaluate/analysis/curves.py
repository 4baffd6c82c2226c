"""Precision, recall and F1 of ranked detections by score threshold, and average precision.

Shape letters: R ranked detections, T thresholds, C classes with background.
"""

from typing import NamedTuple

import numpy as np

from mrcnn.evaluate.analysis.matching import Ranked

RECALLS = np.linspace(0, 1, 101)  # COCO's
THRESHOLDS = np.round(np.linspace(0, 1, 101), 2)  # scores that are easy to copy into a config


class Thresholds(NamedTuple):
    """Counts and measures at score thresholds; a detection counts from the threshold on.

    Attributes:
        thresholds: `[T]`, ascending.
        correct: `[T]` int, right detections.
        found: `[T]` int, all detections.
        objects: number of objects.
    """

    thresholds: np.ndarray
    correct: np.ndarray
    found: np.ndarray
    objects: int

    @property
    def precision(self) -> np.ndarray:
        """`[T]`, the share of detections that are right; NaN without a detection."""
        return _ratio(self.correct, self.found)

    @property
    def recall(self) -> np.ndarray:
        """`[T]`, the share of objects that were found; NaN without an object."""
        return _ratio(self.correct, np.full_like(self.found, self.objects))

    @property
    def f1(self) -> np.ndarray:
        """`[T]`, 2 TP / (2 TP + FP + FN), the harmonic mean of both; NaN without object and detection."""
        return _ratio(2 * self.correct, self.found + self.objects)

    def at(self, threshold: float) -> tuple[int, int]:
        """Reads the numbers of right and of all detections from one of the thresholds on."""
        place = int(np.argmin(np.abs(self.thresholds - threshold)))
        return int(self.correct[place]), int(self.found[place])


def by_threshold(ranked: Ranked, *, class_id: int | None = None, thresholds: np.ndarray = THRESHOLDS) -> Thresholds:
    """Counts right detections and all detections at each threshold.

    Args:
        ranked: the detections.
        class_id: of the class that is counted; None for all.
        thresholds: `[T]`, ascending.
    """
    chosen = slice(None) if class_id is None else ranked.class_ids == class_id
    scores, correct = ranked.scores[chosen], ranked.correct[chosen]
    # a score of float32 0.9 is 0.89999998 and a threshold of 0.9 is compared with it as float32 by the predictor
    found = np.searchsorted(-scores.astype(np.float32), -thresholds.astype(np.float32), side="right")
    sums = np.concatenate([[0], np.cumsum(correct)])
    objects = ranked.objects.sum() if class_id is None else ranked.objects[class_id]
    return Thresholds(thresholds, sums[found], found, int(objects))


def best_threshold(counts: Thresholds, *, lowest: float = 0.0) -> float | None:
    """Finds the threshold with the best F1; of several equal ones the middle one.

    Args:
        counts: from `by_threshold`.
        lowest: the threshold with which the detections were made; lower ones would tell nothing.

    Returns:
        One of the thresholds; None if no detection is right.
    """
    f1 = np.where(counts.thresholds >= lowest, np.nan_to_num(counts.f1), 0.0)
    if f1.max(initial=0.0) <= 0:
        return None
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(counts.thresholds[best[(len(best) - 1) // 2]])


def precision_at_recalls(correct: np.ndarray, objects: int) -> np.ndarray:
    """Computes the precision-recall curve at COCO's 101 recalls.

    Args:
        correct: `[R]` bool, by descending score.
        objects: number of objects, at least 1.

    Returns:
        `[101]`: at each recall the best precision from there on; 0 at recalls that are not reached.
    """
    right = np.cumsum(correct)
    precision = right / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / objects, RECALLS, side="left")
    return np.append(envelope, 0.0)[places]


def average_precision(correct: np.ndarray, objects: int) -> float:
    """Computes the mean of `precision_at_recalls`; NaN without an object."""
    return float(precision_at_recalls(correct, objects).mean()) if objects else float("nan")


def class_precision(ranked: Ranked) -> np.ndarray:
    """Computes the average precision of each class, `[C]`; NaN for a class without an object and the background."""
    count = len(ranked.objects)
    order = np.argsort(ranked.class_ids, kind="stable")  # keeps the order of scores within a class
    borders = np.searchsorted(ranked.class_ids[order], np.arange(count + 1))
    return np.array(
        [
            average_precision(ranked.correct[order[borders[index] : borders[index + 1]]], int(ranked.objects[index]))
            for index in range(count)
        ]
    )


def mean_precision(ranked: Ranked) -> float:
    """Averages `class_precision` over the classes with objects; NaN without any."""
    values = class_precision(ranked)
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
