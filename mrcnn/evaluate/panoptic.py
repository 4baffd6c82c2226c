"""Panoptic quality and mean IoU of models with a semantic map.

A pixel of the ground truth belongs to one segment. Where annotated objects overlap, it belongs to the one that comes
last in the annotation, and things are above stuff. Unlabelled pixels and those of neutral objects are void.
Shape letters: C classes with background, S stuff classes, H W the image.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from mrcnn.evaluate.metric import PER_CLASS, ClassFacts, MetricKind, Predictions
from mrcnn.evaluate.panoptic_quality import VOID, MeanIou, PanopticQuality, Part
from mrcnn.predict import panoptic
from mrcnn.structures import SEMANTIC, UNLABELLED, CroppedMask, GroundTruth, SemanticRules

MIOU = "semantic_iou"
SUBSETS = ("", "_things", "_stuff")


class PanopticEvaluator:
    """Accumulates images and computes panoptic quality and mean IoU."""

    def __init__(
        self,
        class_names: Sequence[str],
        *,
        max_detections: int,
        class_facts: ClassFacts | None = None,
        maps: Mapping[str, SemanticRules],
    ):
        """Starts without images.

        Args:
            class_names: C titles by class id, the background first.
            max_detections: not used; the merge decides how many detections count.
            class_facts: not used.
            maps: the rules of `semantic`.
        """
        self._rules, self._classes = maps[SEMANTIC], len(class_names)
        self._count = len(class_names) + len(self._rules.stuff)
        self._quality, self._iou = PanopticQuality(self._count), MeanIou(len(self._rules.stuff) + 1)

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image.

        Args:
            image_id: not used.
            ground_truth: the image's size, objects, regions to ignore, and semantic map.
            detections: the detections and the semantic map of the same image.
        """
        semantic = detections.maps[SEMANTIC]
        true_ids, truth = true_segments(ground_truth, classes=self._classes)
        merged = panoptic.merge(
            [_cropped(mask) for mask in detections.masks],
            detections.scores,
            detections.class_ids,
            semantic=semantic,
            rules=self._rules,
        )
        found = [
            Part(each.class_id if each.is_thing else self._classes - 1 + each.class_id) for each in merged.segments
        ]
        self._quality.add(true_ids, truth, ids=merged.ids, found=found)
        self._iou.add(ground_truth.instances.maps[SEMANTIC], semantic, unlabelled=UNLABELLED)

    def result(self) -> dict[str, Any]:
        """Computes the metrics of all images added so far.

        Returns:
            `pq`, `sq` and `rq`, the means over all classes, the same with `_things` and `_stuff`, and `semantic_iou`,
            the mean IoU of the classes of the semantic map, of which all things are one: floats in 0..1, NaN where
            there is nothing to measure. `per_class`: for each class id, and for stuff C - 1 + its number, `pq`, `sq`
            and `rq`; for stuff also `objects`, `detections` (numbers of segments) and `semantic_iou`.
        """
        things, stuff = range(1, self._classes), range(self._classes, self._count)
        found: dict[str, Any] = {}
        for suffix, categories in zip(SUBSETS, (range(1, self._count), things, stuff), strict=True):
            values = self._quality.of(categories)._asdict()
            found |= {f"{name}{suffix}": value for name, value in values.items()}
        found[MIOU], ious = self._iou.result()
        per_class: dict[int, dict[str, Any]] = {
            index: dict(self._quality.of([index])._asdict()) for index in (*things, *stuff)
        }
        for index, iou in zip(stuff, ious[1:], strict=True):
            counts = {"objects": int(self._quality.objects[index]), "detections": int(self._quality.found[index])}
            per_class[index] = {**counts, **per_class[index], MIOU: float(iou)}
        return {**found, PER_CLASS: per_class}


def true_segments(ground_truth: GroundTruth, *, classes: int) -> tuple[np.ndarray, list[Part]]:
    """Makes the panoptic segmentation of an annotated image.

    Args:
        ground_truth: with a semantic map.
        classes: C.

    Returns:
        `[H, W]` int32: `VOID`, or 1 + the index of the pixel's segment; and the segments, whose category is the class
        id of a thing, and C - 1 + the number of stuff.
    """
    instances = ground_truth.instances
    semantic = instances.maps[SEMANTIC]
    ids, parts = np.full(semantic.shape, VOID, np.int32), []
    for number in np.unique(semantic):
        if number not in (0, UNLABELLED):
            parts.append(Part(classes - 1 + int(number)))
            ids[semantic == number] = len(parts)
    ignored = np.asarray(instances.ignore, bool)
    for index in (*np.flatnonzero(ignored), *np.flatnonzero(~ignored)):
        y1, x1, y2, x2 = instances.boxes[index].astype(int)
        part = ids[y1:y2, x1:x2]
        class_id = int(instances.class_ids[index])
        if class_id:
            parts.append(Part(class_id, bool(ignored[index])))
        part[instances.masks[index]] = len(parts) if class_id else VOID
    return ids, parts


def _cropped(mask: Any) -> CroppedMask:
    """Crops a mask `[H, W]`, or COCO run lengths."""
    dense = coco_mask.decode(dict(mask)) if isinstance(mask, Mapping) else mask
    return CroppedMask.from_pixels(np.asarray(dense, bool))


_TITLES = {"pq": "panoptic quality", "pq_things": "PQ of things", "pq_stuff": "PQ of stuff", MIOU: "mean IoU"}
KIND = MetricKind(
    make=PanopticEvaluator,
    columns=("pq", "sq", "rq", MIOU),
    validated={name: _TITLES[name] for name in ("pq", "pq_things", "pq_stuff", MIOU)},
    monitored=("pq", MIOU),
    needs_maps=(SEMANTIC,),
)
