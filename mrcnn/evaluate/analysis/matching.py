"""Matches the detections of an image with its objects, and ranks those of all images.

Shape letters: N objects and D detections of one image, C classes with background, R ranked detections.
Source: COCO detection evaluation (2015) at one IoU threshold.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluate.analysis.seen import Overlaps

IOU = 0.5  # from which a detection counts as right
NONE = -1


class Matches(NamedTuple):
    """Which object each detection of an image found.

    Attributes:
        objects: `[D]` int, index of the object; `NONE` for a wrong detection.
        ignored: `[D]` bool, the detection is in a region to ignore: neither right nor wrong.
    """

    objects: np.ndarray
    ignored: np.ndarray


class Ranked(NamedTuple):
    """The detections of all images that are not ignored, by descending score.

    Attributes:
        class_ids: `[R]` int.
        scores: `[R]` float.
        correct: `[R]` bool.
        objects: `[C]` int, the number of objects of each class; 0 for the background.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    correct: np.ndarray
    objects: np.ndarray


def match(image: Overlaps, *, iou: float = IOU) -> Matches:
    """Matches each detection, best first, with the free object of its class that it overlaps most.

    Args:
        image: its detections by descending score.
        iou: the least overlap.
    """
    count = len(image.scores)
    found, ignored = np.full(count, NONE), np.zeros(count, bool)
    free = ~image.gt_ignore
    for place in range(count):
        own = image.gt_class_ids == image.class_ids[place]
        near = np.where(own & free, image.ious[place], 0.0)
        if near.size and near.max() >= iou:
            found[place] = near.argmax()
            free[found[place]] = False
        else:
            regions = image.gt_ignore & (own | (image.gt_class_ids == 0))
            ignored[place] = bool((image.ious[place][regions] >= iou).any())
    return Matches(found, ignored)


def rank(images: Sequence[Overlaps], matches: Sequence[Matches], *, num_classes: int) -> Ranked:
    """Joins the detections of all images.

    Args:
        images: the images.
        matches: of each image.
        num_classes: C.
    """
    kept = [~one.ignored for one in matches]
    empty = np.zeros(0)
    class_ids, scores, correct = (
        np.concatenate([empty, *(values[chosen] for values, chosen in zip(column, kept, strict=True))])
        for column in (
            [image.class_ids for image in images],
            [image.scores for image in images],
            [one.objects != NONE for one in matches],
        )
    )
    order = np.argsort(-scores, kind="stable")
    return Ranked(
        class_ids.astype(np.int64)[order],
        scores[order],
        correct.astype(bool)[order],
        count_objects(images, num_classes),
    )


def count_objects(images: Sequence[Overlaps], num_classes: int) -> np.ndarray:
    """Counts the objects of each class that are not to ignore, `[C]` int."""
    titles = [np.zeros(0, np.int64), *(image.gt_class_ids[~image.gt_ignore] for image in images)]
    return np.bincount(np.concatenate(titles).astype(np.int64), minlength=num_classes)
