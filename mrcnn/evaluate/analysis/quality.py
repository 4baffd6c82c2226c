"""Rates each image, to find those where the model works best and worst."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluate.analysis.matching import NONE, Matches
from mrcnn.evaluate.analysis.seen import Overlaps


class ImageQuality(NamedTuple):
    """How well the objects of an image were found.

    Attributes:
        place: of the image among those that were rated.
        quality: sum of the IoUs of right detections / (right + wrong / 2 + missed / 2), in 0..1.
        correct: number of right detections.
        wrong: number of wrong detections.
        missed: number of objects that were not found.
    """

    place: int
    quality: float
    correct: int
    wrong: int
    missed: int


def rate(images: Sequence[Overlaps], matches: Sequence[Matches], *, threshold: float) -> list[ImageQuality]:
    """Rates the images that have an object or a detection.

    Args:
        images: the images.
        matches: of each image.
        threshold: detections that score less are left out.

    Source: the quality is panoptic quality (Kirillov et al., CVPR 2019) of one image, over all classes together.
    """
    rows = []
    for place, (image, matched) in enumerate(zip(images, matches, strict=True)):
        used = (image.scores.astype(np.float32) >= np.float32(threshold)) & ~matched.ignored
        right = np.flatnonzero(used & (matched.objects != NONE))
        correct = len(right)
        wrong, missed = int(used.sum()) - correct, int((~image.gt_ignore).sum()) - correct
        total = correct + wrong / 2 + missed / 2
        if total:
            overlap = float(image.ious[right, matched.objects[right]].sum())
            rows.append(ImageQuality(place, overlap / total, correct, wrong, missed))
    return rows


def worst(rated: Sequence[ImageQuality], *, most: int) -> list[ImageQuality]:
    """Selects the images of the lowest quality; of equal ones those with more errors first."""
    return sorted(rated, key=lambda one: (one.quality, -one.wrong - one.missed))[:most]


def best(rated: Sequence[ImageQuality], *, most: int) -> list[ImageQuality]:
    """Selects the images of the highest quality; of equal ones those with more objects first."""
    return sorted(rated, key=lambda one: (-one.quality, -one.correct))[:most]
