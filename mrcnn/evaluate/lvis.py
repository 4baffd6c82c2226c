"""LVIS average precision of boxes and masks, for data in which an image is annotated for some classes only.

`neg_category_ids` of an image lists classes that it does not have, `not_exhaustive_category_ids` classes of which it
may have further objects. An image judges a class only if it has objects of it or lists it:

- detections of other classes are left out;
- a detection of a class that is not exhaustive is right if it matches an object, else it does not count;
- at most 300 detections of an image count, the best of all classes together;
- classes without objects in the set have no value, and the mean is over the others.

All this is expressed in what `CocoEvaluator` is given, which computes the precision.
Shape letters: N objects or detections of one image, H W its original pixels.
Source: Gupta et al. (2019), LVIS, section 3.2; lvis-api, `lvis/eval.py` and `lvis/results.py`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.config.errors import shown
from mrcnn.data.coco.categories import id_text
from mrcnn.errors import UserError
from mrcnn.evaluate.coco import KINDS, CocoEvaluator
from mrcnn.evaluate.groups import FREQUENCIES
from mrcnn.evaluate.metric import PER_CLASS, ClassFacts, MetricKind, Predictions
from mrcnn.structures import GroundTruth, Instances

DETECTIONS = 300  # of an image
ABSENT, NOT_EXHAUSTIVE = "neg_category_ids", "not_exhaustive_category_ids"  # facts of an image
PREFIX = "lvis_"
_COUNTS = ("objects", "detections")  # measures of a class that the COCO metric has, too


class _Judged(NamedTuple):
    """Those detections of an image that count; fields as of `Predictions`."""

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: Sequence[Any]
    extras: Mapping[str, Any]
    maps: Mapping[str, Any] = {}


class LvisEvaluator:
    """Accumulates images and computes their LVIS metrics."""

    def __init__(self, class_names: Sequence[str], *, max_detections: int, class_facts: ClassFacts):
        """Starts without images.

        Args:
            class_names: by class id, the background first.
            max_detections: not used; LVIS has its own limit.
            class_facts: by title, `id` and `frequency` of each category.
        """
        ids = {name: index for index, name in enumerate(class_names)}
        known = {title: facts for title, facts in class_facts.items() if ids.get(title)}
        self._class_of = {id_text(facts.get("id")): ids[title] for title, facts in known.items()}
        self._groups = {
            group: tuple(ids[title] for title, facts in known.items() if facts.get("frequency") == letter)
            for letter, group in FREQUENCIES.items()
        }
        self._coco = CocoEvaluator(len(class_names), max_detections=DETECTIONS)

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image.

        Args:
            image_id: a number that identifies the image.
            ground_truth: the image's size and its objects, whose `facts` may have the two lists of category ids.
            detections: the detections of the same image; may be empty.

        Raises:
            UserError: a fact is no list of category ids.
            ValueError: as `CocoEvaluator.add`.
        """
        instances = ground_truth.instances
        absent, unfinished = (self._classes_of(instances.facts, name) for name in (ABSENT, NOT_EXHAUSTIVE))
        judged = {*map(int, instances.class_ids), *absent, *unfinished}
        excused = ground_truth._replace(instances=_with_regions(ground_truth, sorted(unfinished)))
        self._coco.add(image_id, excused, _judged(detections, judged))

    def result(self) -> dict[str, Any]:
        """Computes the metrics of all images added so far.

        Returns:
            `lvis_box_ap`, `lvis_box_ap50`, `lvis_box_ap75`, by size `lvis_box_ap_small`, `_medium`, `_large`, by
            frequency `lvis_box_ap_rare`, `_common`, `_frequent`, and the same with `mask`: floats in 0..1, NaN where
            there is no object to count. `per_class`: for each class id those that are not by frequency.
        """
        found = self._coco.result()
        per_class = found.pop(PER_CLASS)
        for kind in KINDS:
            for group, class_ids in self._groups.items():
                found[f"{kind}_ap_{group}"] = _mean(per_class[class_id][f"{kind}_ap"] for class_id in class_ids)
        return {**_named(found), PER_CLASS: {class_id: _named(values) for class_id, values in per_class.items()}}

    def _classes_of(self, facts: Mapping[str, Any], name: str) -> set[int]:
        """Finds the class ids of a list of category ids; categories that the model lacks are left out."""
        listed = facts.get(name)
        keys = [id_text(item) for item in listed] if isinstance(listed, list | tuple) else [None]
        if listed is not None and None in keys:
            raise UserError(f"`{name}` of an image must list category ids, got {shown(listed)}; correct the file")
        return {self._class_of[key] for key in keys if key in self._class_of}


def fits(class_facts: ClassFacts) -> bool:
    """Checks whether the classes of data have LVIS's `frequency`: r, c or f."""
    return any(facts.get("frequency") in tuple(FREQUENCIES) for facts in class_facts.values())


def _judged(detections: Predictions, class_ids: Iterable[int]) -> _Judged:
    """Selects the best detections of an image, and of these those of the classes that it judges."""
    best = np.argsort(-np.asarray(detections.scores, np.float64), kind="stable")[:DETECTIONS]
    kept = best[np.isin(np.asarray(detections.class_ids, np.int64)[best], list(class_ids))]
    return _Judged(
        np.asarray(detections.boxes).reshape(-1, 4)[kept],
        np.asarray(detections.class_ids, np.int32)[kept],
        np.asarray(detections.scores)[kept],
        [detections.masks[index] for index in kept],
        {},
    )


def _with_regions(ground_truth: GroundTruth, class_ids: Sequence[int]) -> Instances:
    """Adds an ignore region that covers the image for each class of which it may have further objects.

    A detection matches an object of its class before it matches a region, and a region any number of detections, so
    that exactly those without an object are ignored.
    """
    instances, (height, width) = ground_truth.instances, (ground_truth.height, ground_truth.width)
    if not class_ids:
        return instances
    count, whole = len(class_ids), np.ones((height, width), bool)
    return Instances(
        boxes=np.concatenate([instances.boxes, np.array([[0, 0, height, width]] * count, np.float32)]),
        class_ids=np.concatenate([instances.class_ids, np.array(class_ids, np.int32)]),
        masks=(*instances.masks, *([whole] * count)),
        ignore=np.concatenate([instances.ignore, np.ones(count, bool)]),
    )


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{PREFIX}{name}": value for name, value in values.items() if name not in _COUNTS}


def _mean(values: Iterable[float]) -> float:
    counted = [value for value in values if not math.isnan(value)]
    return sum(counted) / len(counted) if counted else math.nan


KIND = MetricKind(
    make=LvisEvaluator,
    columns=("lvis_box_ap", "lvis_box_ap50", "lvis_box_ap75", "lvis_mask_ap", "lvis_mask_ap50", "lvis_mask_ap75"),
    validated={
        "lvis_box_ap": "LVIS box AP",
        "lvis_mask_ap": "LVIS mask AP",
        "lvis_mask_ap_rare": "LVIS mask AP, rare",
    },
    monitored=("lvis_box_ap", "lvis_mask_ap"),
    fits=fits,
)
