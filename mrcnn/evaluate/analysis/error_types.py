"""Divides the errors of a detector into six types, and computes the AP that the repair of each would gain.

Shape letters: N objects and D detections of one image, C classes with background.
Source: TIDE (Bolya et al., ECCV 2020), section 2, with its IoU thresholds 0.5 and 0.1. Where several types fit, the
first of localization, classification, duplicate, background, both counts, as in the authors' program.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluate.analysis import curves, matching
from mrcnn.evaluate.analysis.matching import IOU, NONE, Matches, Ranked
from mrcnn.evaluate.analysis.seen import Overlaps

BACKGROUND_IOU = 0.1  # up to which a detection is on the background

LOCALIZATION, CLASSIFICATION, DUPLICATE, BACKGROUND, BOTH = range(1, 6)
MISSED = 6
TYPES = {
    CLASSIFICATION: "classification",
    LOCALIZATION: "localization",
    BOTH: "both",
    DUPLICATE: "duplicate",
    BACKGROUND: "background",
    MISSED: "missed",
}


class ImageErrors(NamedTuple):
    """The errors of one image.

    Attributes:
        types: `[D]` int, the type of each wrong detection; 0 for right and ignored ones.
        targets: `[D]` int, the object that a wrong class or place refers to; else `NONE`.
        missed: `[N]` bool, an object that was not found, and to which no wrong class or place refers.
    """

    types: np.ndarray
    targets: np.ndarray
    missed: np.ndarray


class Gain(NamedTuple):
    """An error type.

    Attributes:
        name: of the type.
        number: how often it occurs.
        gain: how much AP at IoU 0.5 would rise if these errors alone were repaired, in 0..1.
    """

    name: str
    number: int
    gain: float


def find(image: Overlaps, matched: Matches, *, iou: float = IOU, background: float = BACKGROUND_IOU) -> ImageErrors:
    """Finds the type of each error of an image.

    Args:
        image: the image.
        matched: from `matching.match` with the same `iou`.
        iou: from which a detection is at an object.
        background: up to which it is at none.
    """
    count = len(image.scores)
    types, targets = np.zeros(count, np.int64), np.full(count, NONE)
    for place in np.flatnonzero((matched.objects == NONE) & ~matched.ignored):
        types[place], targets[place] = _type_of(image, place, iou=iou, background=background)
    found = np.zeros(len(image.gt_ignore), bool)
    found[matched.objects[matched.objects != NONE]] = True
    pointed = np.zeros_like(found)
    pointed[targets[targets != NONE]] = True
    return ImageErrors(types, targets, ~found & ~pointed & ~image.gt_ignore)


def gains(images: Sequence[Overlaps], matches: Sequence[Matches], *, num_classes: int) -> list[Gain]:
    """Counts the errors of each type, and computes what the repair of each alone would gain.

    A repaired class or place makes a detection right, or removes it where its object was found already; of several such
    detections the best stays. Duplicates, detections on the background and those wrong in both are removed. Missed
    objects are not counted any more.

    Args:
        images: the images.
        matches: of each image, from `matching.match`.
        num_classes: C.

    Returns:
        One for each of `TYPES`, in that order; without an object all gains are 0.
    """
    found = [find(image, matched) for image, matched in zip(images, matches, strict=True)]
    base = curves.mean_precision(matching.rank(images, matches, num_classes=num_classes))
    rows = []
    for number, name in TYPES.items():
        count = sum(int(one.missed.sum() if number == MISSED else (one.types == number).sum()) for one in found)
        gain = 0.0
        if count and not np.isnan(base):
            fixed = _repaired(images, matches, found, number=number, num_classes=num_classes)
            after = curves.mean_precision(fixed)
            gain = max(0.0, (1.0 if np.isnan(after) else after) - base)  # NaN: no object is left that is not found
        rows.append(Gain(name, count, gain))
    return rows


def _type_of(image: Overlaps, place: int, *, iou: float, background: float) -> tuple[int, int]:
    """Determines the type of a wrong detection and the object that it refers to."""
    truth = np.where(image.gt_ignore, 0.0, image.ious[place])
    own = np.where(image.gt_class_ids == image.class_ids[place], truth, 0.0)
    other = truth - own
    nearest_own, nearest_other = own.max(initial=0.0), other.max(initial=0.0)
    if background <= nearest_own < iou:
        return LOCALIZATION, int(own.argmax())
    if nearest_other >= iou:
        return CLASSIFICATION, int(other.argmax())
    if nearest_own >= iou:
        return DUPLICATE, NONE
    return (BACKGROUND if max(nearest_own, nearest_other) <= background else BOTH), NONE


def _repaired(
    images: Sequence[Overlaps],
    matches: Sequence[Matches],
    found: Sequence[ImageErrors],
    *,
    number: int,
    num_classes: int,
) -> Ranked:
    """Ranks the detections as if one type of error did not occur."""
    changed, rematched = [], []
    gone = np.zeros(num_classes, np.int64)
    for image, matched, errors in zip(images, matches, found, strict=True):
        class_ids, objects, ignored = image.class_ids.copy(), matched.objects.copy(), matched.ignored.copy()
        taken = set(objects[objects != NONE].tolist())
        for place in np.flatnonzero(errors.types == number):
            target = int(errors.targets[place])
            if target == NONE or target in taken:
                ignored[place] = True  # removed
            else:
                taken.add(target)
                class_ids[place], objects[place] = image.gt_class_ids[target], target
        if number == MISSED:
            gone += np.bincount(image.gt_class_ids[errors.missed], minlength=num_classes)
        changed.append(image._replace(class_ids=class_ids))
        rematched.append(Matches(objects, ignored))
    ranked = matching.rank(changed, rematched, num_classes=num_classes)
    return ranked._replace(objects=ranked.objects - gone)
