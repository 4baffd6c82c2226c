"""Cityscapes' average precision of instance masks.

It differs from COCO's. A detection matches an object that it overlaps by more than the threshold; of several detections
of an object the best is right and the others are wrong. One that matches none does not count if more than that share of
its pixels is void, in a group of its class, or in objects of less than 100 pixels. Precision is integrated over recall
by steps, without making it monotonic. Caravans and trailers are not evaluated.
Shape letters: D detections and N objects and groups of one class in one image, T overlap thresholds, H W image.
Source: cityscapesScripts, `evaluation/evalInstanceLevelSemanticLabeling.py` without the measures by distance.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval.core import mask as rle_tools

from mrcnn.data.coco.masks import encode_crop
from mrcnn.data.formats.cityscapes import CLASS_ID, UNEVALUATED, VOID
from mrcnn.evaluate.coco import Rle, encode_masks
from mrcnn.evaluate.metric import PER_CLASS, ClassFacts, MetricKind, Predictions
from mrcnn.structures import GroundTruth

OVERLAPS = tuple(np.arange(0.5, 1.0, 0.05).tolist())
LEAST_PIXELS = 100  # of an object that counts
_AP, _AP50 = "cityscapes_ap", "cityscapes_ap50"


class _Pairs(NamedTuple):
    """The detections and objects of one class in one image.

    Attributes:
        scores: `[D]`.
        areas: `[D]`, pixels.
        ignored: `[D]`, pixels that are void, in a group or in a small object.
        overlaps: `[D, N]`, IoU.
        counted: `[N]` bool, an object that is neither a group nor small.
    """

    scores: np.ndarray
    areas: np.ndarray
    ignored: np.ndarray
    overlaps: np.ndarray
    counted: np.ndarray


class CityscapesEvaluator:
    """Accumulates images and computes Cityscapes' instance AP."""

    def __init__(self, class_names: Sequence[str], *, max_detections: int, class_facts: ClassFacts):
        """Starts without images.

        Args:
            class_names: by class id, the background first.
            max_detections: not used; all detections count.
            class_facts: by title, the facts of each class; those with `CLASS_ID` are Cityscapes' own.
        """
        numbers = {index: class_facts.get(name, {}).get(CLASS_ID) for index, name in enumerate(class_names) if index}
        known = {index for index, number in numbers.items() if number is not None and number not in UNEVALUATED}
        self._pairs: dict[int, list[_Pairs]] = {index: [] for index in sorted(known)}

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image.

        Args:
            image_id: not used.
            ground_truth: the image's size, objects and groups (ignore regions with a class). Pixels of `facts[VOID]`,
                run lengths, and of ignore regions without a class are void.
            detections: the detections of the same image; may be empty.
        """
        found_ids, instances = np.asarray(detections.class_ids), ground_truth.instances
        void = _void(ground_truth)
        for class_id, pairs in self._pairs.items():
            mine, objects = np.flatnonzero(found_ids == class_id), np.flatnonzero(instances.class_ids == class_id)
            if len(mine) or len(objects):
                masks = [_encoded(detections.masks[index]) for index in mine]
                runs = [_object(ground_truth, index) for index in objects]
                is_group = np.asarray(instances.ignore, bool)[objects]
                pairs.append(_compare(np.asarray(detections.scores)[mine], masks, runs, is_group=is_group, void=void))

    def result(self) -> dict[str, Any]:
        """Computes the metrics of all images added so far.

        Returns:
            `cityscapes_ap` and `cityscapes_ap50`, the means over the classes with objects: floats in 0..1, NaN where
            there is no object. `per_class`: for each evaluated class id the same.
        """
        per_class: dict[int, dict[str, float]] = {}
        for class_id, pairs in self._pairs.items():
            values = [_ap(pairs, float(threshold)) for threshold in OVERLAPS]
            per_class[class_id] = {_AP: float(np.mean(values)), _AP50: values[0]}
        means = {name: _mean([values[name] for values in per_class.values()]) for name in (_AP, _AP50)}
        return {**means, PER_CLASS: per_class}


def fits(class_facts: ClassFacts) -> bool:
    """Checks whether the classes of data are those of Cityscapes."""
    return any(CLASS_ID in facts for facts in class_facts.values())


def _compare(
    scores: np.ndarray, masks: Sequence[Rle], objects: Sequence[Rle], *, is_group: np.ndarray, void: Rle | None
) -> _Pairs:
    areas, sizes = _areas(masks), _areas(objects)
    shared = _shared(masks, objects, areas)
    is_small = sizes < LEAST_PIXELS
    # a small group counts twice, as in the source
    ignored = shared @ is_group.astype(np.float64) + shared @ is_small.astype(np.float64)
    if void is not None:
        ignored = ignored + _shared(masks, [void], areas)[:, 0]
    overlaps = shared / np.maximum(areas[:, None] + sizes[None] - shared, 1)
    return _Pairs(np.asarray(scores, np.float64), areas, ignored, overlaps, ~is_group & ~is_small)


def _ap(images: Sequence[_Pairs], threshold: float) -> float:
    """Computes the AP of a class at one overlap; NaN without an object."""
    objects = sum(int(pairs.counted.sum()) for pairs in images)
    if not objects:
        return math.nan
    judged = [_judge(pairs, threshold) for pairs in images]
    scores = np.concatenate([scores for scores, _ in judged])
    is_right = np.concatenate([right for _, right in judged])
    if not len(scores):
        return 0.0
    thresholds, first = np.unique(-scores, return_inverse=True)  # the best first
    right = np.cumsum(np.bincount(first, weights=is_right, minlength=len(thresholds)))
    precision, recall = right / np.cumsum(np.bincount(first)), right / objects
    # each point stands for half the way to its neighbours; the curve begins at recall 0 and ends at the last point
    points = np.concatenate([[0.0, 0.0], recall, recall[-1:]])
    widths = (points[2:] - points[:-2]) / 2
    return float(np.dot(np.concatenate([precision[:1], precision]), widths))


def _judge(pairs: _Pairs, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Lists the scores that count in one image and whether each is right, both `[S]`."""
    matches = pairs.overlaps > threshold
    scores: list[float] = []
    right: list[bool] = []
    for column in np.flatnonzero(pairs.counted):
        found = np.sort(pairs.scores[matches[:, column]])[::-1].tolist()
        scores += found
        right += [index == 0 for index in range(len(found))]
    lost = (pairs.areas > 0) & ~matches.any(axis=1) & (pairs.ignored <= threshold * pairs.areas)
    scores += pairs.scores[lost].tolist()
    right += [False] * int(lost.sum())
    return np.array(scores, np.float64), np.array(right, bool)


def _void(ground_truth: GroundTruth) -> Rle | None:
    """Joins the void pixels of an image; None where there are none."""
    instances = ground_truth.instances
    stored = instances.facts.get(VOID)
    parts = [] if stored is None else [dict(stored)]
    parts += [_object(ground_truth, index) for index in np.flatnonzero(np.asarray(instances.class_ids) == 0)]
    return rle_tools.merge(parts) if parts else None


def _object(ground_truth: GroundTruth, index: int) -> Rle:
    instances = ground_truth.instances
    y1, x1 = (int(side) for side in instances.boxes[index][:2])
    return encode_crop(instances.masks[index], (y1, x1), size=(ground_truth.height, ground_truth.width))


def _encoded(mask: Any) -> Rle:
    return dict(mask) if isinstance(mask, Mapping) else encode_masks([mask])[0]


def _areas(masks: Sequence[Rle]) -> np.ndarray:
    return np.asarray(rle_tools.area(list(masks)), np.float64) if masks else np.zeros(0)


def _shared(masks: Sequence[Rle], others: Sequence[Rle], areas: np.ndarray) -> np.ndarray:
    """Counts the pixels that each mask shares with each of the others, `[D, N]` float64."""
    if not masks or not others:
        return np.zeros((len(masks), len(others)))
    # of a crowd the library divides the shared pixels by those of the detection
    shares = np.asarray(rle_tools.iou(list(masks), list(others), [1] * len(others)), np.float64)
    return np.round(np.nan_to_num(shares.reshape(len(masks), len(others))) * areas[:, None])


def _mean(values: Sequence[float]) -> float:
    counted = [value for value in values if not math.isnan(value)]
    return sum(counted) / len(counted) if counted else math.nan


KIND = MetricKind(
    make=CityscapesEvaluator,
    columns=(_AP, _AP50),
    validated={_AP: "Cityscapes AP", _AP50: "Cityscapes AP50"},
    monitored=(_AP,),
    fits=fits,
)
