"""Counts right and wrong detections and missed objects of each class at one score threshold."""

from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.evaluate.analysis import curves
from mrcnn.evaluate.analysis.matching import Ranked


class ClassRow(NamedTuple):
    """The counts and measures of a class at IoU 0.5; a measure is NaN where there is nothing to measure.

    Attributes:
        title: of the class.
        objects: number of objects.
        correct: number of right detections.
        wrong: number of wrong detections.
        missed: number of objects that were not found.
        precision: right of all detections.
        recall: found of all objects.
        f1: of precision and recall.
        ap50: average precision over all thresholds.
        best_threshold: with the best F1 of this class; None if no detection is right.
    """

    title: str
    objects: int
    correct: int
    wrong: int
    missed: int
    precision: float
    recall: float
    f1: float
    ap50: float
    best_threshold: float | None


def rows(ranked: Ranked, titles: Sequence[str], *, threshold: float, lowest: float = 0.0) -> list[ClassRow]:
    """Builds a row for each class.

    Args:
        ranked: the detections.
        titles: by class id, the background first.
        threshold: detections that score less are left out; one of `curves.THRESHOLDS`.
        lowest: as for `curves.best_threshold`.
    """
    precision = curves.class_precision(ranked)
    return [
        _row(ranked, class_id, title=title, threshold=threshold, lowest=lowest)._replace(
            ap50=float(precision[class_id])
        )
        for class_id, title in enumerate(titles)
        if class_id
    ]


def _row(ranked: Ranked, class_id: int, *, title: str, threshold: float, lowest: float) -> ClassRow:
    counts = curves.by_threshold(ranked, class_id=class_id)
    correct, found = counts.at(threshold)
    objects = counts.objects
    return ClassRow(
        title=title,
        objects=objects,
        correct=correct,
        wrong=found - correct,
        missed=objects - correct,
        precision=correct / found if found else float("nan"),
        recall=correct / objects if objects else float("nan"),
        f1=2 * correct / (found + objects) if found + objects else float("nan"),
        ap50=float("nan"),
        best_threshold=curves.best_threshold(counts, lowest=lowest),
    )
