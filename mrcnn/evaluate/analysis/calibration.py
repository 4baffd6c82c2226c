"""Compares the scores of detections with the share of them that is right.

Source: Guo et al., On Calibration of Modern Neural Networks (ICML 2017), with "right" as for precision at IoU 0.5; so
objects that were not found do not count.
"""

from typing import NamedTuple

import numpy as np

from mrcnn.evaluate.analysis.matching import Ranked

BINS = 10


class Bin(NamedTuple):
    """The detections whose scores are in one range.

    Attributes:
        low: the least score.
        high: the score from which the next bin counts.
        detections: their number.
        score: their mean score; NaN without any.
        precision: the share of them that is right; NaN without any.
    """

    low: float
    high: float
    detections: int
    score: float
    precision: float


def bins(ranked: Ranked, *, count: int = BINS) -> list[Bin]:
    """Divides the detections into ranges of score of equal width.

    Args:
        ranked: the detections.
        count: number of bins, of 0..1; a score of 1 is in the last.
    """
    places = np.minimum((ranked.scores * count).astype(np.int64), count - 1)
    rows = []
    for place in range(count):
        chosen = places == place
        number = int(chosen.sum())
        score = float(ranked.scores[chosen].mean()) if number else float("nan")
        precision = float(ranked.correct[chosen].mean()) if number else float("nan")
        rows.append(Bin(place / count, (place + 1) / count, number, score, precision))
    return rows


def expected_error(found: list[Bin]) -> float:
    """Computes the expected calibration error: the mean distance of score and precision over all detections.

    Returns:
        In 0..1; NaN without a detection.
    """
    total = sum(one.detections for one in found)
    if not total:
        return float("nan")
    return sum(one.detections * abs(one.score - one.precision) for one in found if one.detections) / total
