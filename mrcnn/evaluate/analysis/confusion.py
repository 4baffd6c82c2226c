"""Counts which class the objects of each class were detected as, with a row and a column for the background."""

from collections.abc import Sequence

import numpy as np

from mrcnn.evaluate.analysis.matching import IOU, NONE, Matches
from mrcnn.evaluate.analysis.seen import Overlaps


def matrix(
    images: Sequence[Overlaps], matches: Sequence[Matches], *, num_classes: int, threshold: float, iou: float = IOU
) -> np.ndarray:
    """Counts pairs of true and detected class.

    A detection that found an object of its class is on the diagonal. The other detections are paired with the objects
    that are left, those that overlap most first.

    Args:
        images: the images.
        matches: of each image, from `matching.match` with the same `iou`.
        num_classes: C, with background.
        threshold: detections that score less are left out.
        iou: the least overlap of a pair.

    Returns:
        `[C, C]` int: rows are true classes, columns detected ones. Row 0 has the detections where no object is left,
        column 0 the objects that were not found. Detections in regions to ignore are left out.
    """
    counts = np.zeros((num_classes, num_classes), np.int64)
    for image, matched in zip(images, matches, strict=True):
        used = (image.scores.astype(np.float32) >= np.float32(threshold)) & ~matched.ignored
        right = used & (matched.objects != NONE)
        np.add.at(counts, (image.class_ids[right], image.class_ids[right]), 1)
        left = ~image.gt_ignore
        left[matched.objects[right]] = False
        wrong = np.flatnonzero(used & ~right)
        for place, item in _pairs(image.ious, wrong, left, iou=iou):
            truth = 0 if item == NONE else image.gt_class_ids[item]
            counts[truth, image.class_ids[place]] += 1
            if item != NONE:
                left[item] = False
        np.add.at(counts, (image.gt_class_ids[left], 0), 1)
    return counts


def mistakes(counts: np.ndarray, *, most: int) -> list[tuple[int, int, int]]:
    """Lists the largest counts off the diagonal without background, each (true class, detected class, number)."""
    only = counts.copy()
    np.fill_diagonal(only, 0)
    only[0], only[:, 0] = 0, 0
    order = np.argsort(-only, axis=None, kind="stable")[:most]
    pairs = [(int(place) // len(counts), int(place) % len(counts)) for place in order]
    return [(truth, found, int(only[truth, found])) for truth, found in pairs if only[truth, found]]


def _pairs(ious: np.ndarray, wrong: np.ndarray, left: np.ndarray, *, iou: float) -> list[tuple[int, int]]:
    """Pairs wrong detections with objects that are left, largest overlap first; `NONE` where there is no object."""
    overlap = np.where(left[None], ious, 0.0)[wrong]
    found = dict.fromkeys(wrong.tolist(), NONE)
    while overlap.size and overlap.max() >= iou:
        row, item = np.unravel_index(int(overlap.argmax()), overlap.shape)
        found[int(wrong[row])] = int(item)
        overlap[row], overlap[:, item] = 0.0, 0.0
    return list(found.items())
