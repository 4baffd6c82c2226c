"""COCO average precision of boxes and masks, computed by faster-coco-eval.

Images are added one by one and their masks are stored run-length encoded, so a large validation set needs little
memory.
Shape letters: N objects or detections of one image, H W its original pixels.
Source: the COCO detection evaluation (2015). An object's size class is its mask's pixel count; a detection's is its
box's area for box AP and its mask's pixel count for mask AP, as detectron2 does (plain pycocotools takes the box's area
for both when a result carries both).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from mrcnn.data.coco import masks as runs
from mrcnn.data.coco.masks import Rle
from mrcnn.evaluate.metric import MetricKind, Predictions
from mrcnn.structures import GroundTruth

KINDS = {"box": "bbox", "mask": "segm"}
AREAS = ("all", "small", "medium", "large")  # the library's order; the bounds are 32 x 32 and 96 x 96 pixels
DETECTIONS = 100  # that COCO scores of an image and class; raised to the model's limit if that is higher
PAIRS = 1_000_000  # of an image and a class that are scored at a time; the library stores a list for each
AP50, AP75 = 0, 5  # positions of the IoU thresholds 0.50 and 0.75 among 0.50, 0.55, ... 0.95


def encode_masks(masks: Iterable[np.ndarray]) -> list[Rle]:
    """Encodes masks as COCO run lengths, ready for JSON.

    Args:
        masks: `[N, H, W]` bool, or N arrays `[H, W]`.

    Returns:
        N dictionaries with `size` [H, W] and `counts` (ASCII). Empty in, empty out.
    """
    encoded = []
    for mask in masks:
        x, y, width, height = cv2.boundingRect(np.ascontiguousarray(mask, dtype=np.uint8))
        encoded.append(runs.encode_crop(mask[y : y + height, x : x + width], (y, x), size=mask.shape))
    return encoded


class CocoEvaluator:
    """Accumulates images and computes their COCO metrics.

    Attributes:
        kinds: the library's name of each overlap by which precision is computed, by the begin of its measures' names.
    """

    kinds: ClassVar[Mapping[str, str]] = KINDS

    def __init__(self, num_classes: int, *, max_detections: int = DETECTIONS):
        """Starts without images.

        Args:
            num_classes: number of classes with background.
            max_detections: number of detections of an image and class that are scored, by descending score; COCO uses
                100.

        Raises:
            ValueError: `num_classes` is below 2 or `max_detections` below 1.
        """
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2 with the background, got {num_classes}")
        if max_detections < 1:
            raise ValueError(f"`max_detections` must be at least 1, got {max_detections}")
        self.num_classes = num_classes
        self.max_detections = max_detections
        self._images: dict[int, dict[str, Any]] = {}
        self._objects: list[dict[str, Any]] = []
        self._detections: list[dict[str, Any]] = []

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image with its objects and detections.

        Args:
            image_id: a number that identifies the image.
            ground_truth: the image's size and its objects. A detection inside an ignore region is not counted as a
                false positive if the region has the detection's class id, or 0.
            detections: the detections of the same image; may be empty.

        Raises:
            ValueError: the image was added before, a class id is out of range, or a mask has another size than the
                image.
        """
        height, width, instances = ground_truth.height, ground_truth.width, ground_truth.instances
        if image_id in self._images:
            raise ValueError(f"image {image_id} was added before; give every image its own id")
        _check_classes(detections.class_ids, self.num_classes, what="detection")
        _check_classes(instances.class_ids[~instances.ignore], self.num_classes, what="object")
        results = _results(image_id, (height, width), detections)
        self._images[image_id] = {"id": int(image_id), "height": int(height), "width": int(width)}
        self._detections.extend(results)
        for index in range(len(instances.boxes)):
            self._add_object(image_id, ground_truth, index)

    def result(self) -> dict[str, Any]:
        """Computes the metrics of all images added so far.

        Returns:
            `box_ap`, `box_ap50`, `box_ap75`, `box_ap_small`, `box_ap_medium`, `box_ap_large` and the same with `mask_`:
            floats in 0..1, NaN where there is no object to count. `per_class`: for each class id a dictionary with
            `objects`, `detections` (their numbers) and the same metrics.
        """
        objects = Counter(item["category_id"] for item in self._objects if not item["iscrowd"])
        detections = Counter(item["category_id"] for item in self._detections)
        per_class: dict[int, dict[str, Any]] = {
            class_id: {"objects": objects[class_id], "detections": detections[class_id]}
            for class_id in range(1, self.num_classes)
        }
        metrics: dict[str, Any] = {}
        for kind in self.kinds:
            precision = self._precision(kind)
            metrics.update(_averages(precision, kind))
            for index, values in enumerate(per_class.values()):
                values.update(_averages(precision[:, :, index : index + 1], kind))
        return {**metrics, "per_class": per_class}

    def _add_object(self, image_id: int, ground_truth: GroundTruth, index: int) -> None:
        instances = ground_truth.instances
        mask, (y1, x1) = instances.masks[index], (int(side) for side in instances.boxes[index][:2])
        class_id, ignore = int(instances.class_ids[index]), bool(instances.ignore[index])
        for category in [class_id] if class_id > 0 else range(1, self.num_classes):
            self._objects.append(
                {
                    "id": len(self._objects) + 1,  # 0 would mean "unmatched" to the library
                    "image_id": int(image_id),
                    "category_id": category,
                    "iscrowd": int(ignore),
                    "area": float(mask.sum()),
                    "bbox": _xywh(instances.boxes[index]),
                    "segmentation": runs.encode_crop(mask, (y1, x1), size=(ground_truth.height, ground_truth.width)),
                }
            )

    def _precision(self, kind: str) -> np.ndarray:
        """Computes the precision at each IoU threshold and recall, by class and size of object.

        Returns:
            `[10 IoU thresholds, 101 recalls, C - 1, 4 areas]`; -1 where there is no object to count.
        """
        class_ids, images = range(1, self.num_classes), len(self._images)
        if not images:
            return np.full((10, 101, len(class_ids), len(AREAS)), -1.0)
        step = max(1, PAIRS // images)
        parts = [class_ids[first : first + step] for first in range(0, len(class_ids), step)]
        return np.concatenate([self._precision_of(part, kind) for part in parts], axis=2)

    def _precision_of(self, class_ids: range, kind: str) -> np.ndarray:
        """Computes `_precision` of some classes.

        Images without an object or a detection of these classes are left out: they change no figure of a class.
        """
        # the library modifies its arguments, so each kind gets its own copies
        objects = [dict(item) for item in self._objects if item["category_id"] in class_ids]
        drop = "segmentation" if kind == "box" else "bbox"  # else the library would compute the area from this field
        found = [
            {key: value for key, value in item.items() if key != drop}
            for item in self._detections
            if item["category_id"] in class_ids
        ]
        used = {item["image_id"] for item in (*objects, *found)}
        images = [image for image_id, image in self._images.items() if image_id in used]
        if not images:
            return np.full((10, 101, len(class_ids), len(AREAS)), -1.0)
        categories = [{"id": class_id, "name": str(class_id)} for class_id in class_ids]
        truth = COCO({"images": images, "categories": categories, "annotations": objects}, print_function=_silent)
        scorer = self._scorer(truth, truth.loadRes(found), self.kinds[kind], print_function=_silent)
        scorer.params.maxDets = [1, self.max_detections] if self.max_detections > 1 else [1]
        scorer.evaluate()
        scorer.accumulate()
        return scorer.eval["precision"][..., -1]

    def _scorer(self, *args: Any, **kwargs: Any) -> COCOeval_faster:
        """Makes the library's scorer, whose arguments these are."""
        return COCOeval_faster(*args, **kwargs)


def _results(image_id: int, size: tuple[int, int], detections: Predictions) -> list[dict[str, Any]]:
    encoded = [mask if isinstance(mask, Mapping) else encode_masks([mask])[0] for mask in detections.masks]
    for run in encoded:
        if tuple(run["size"]) != tuple(size):
            raise ValueError(f"image {image_id} has {size} pixels (height, width) but a mask {tuple(run['size'])}")
    return [
        {
            "image_id": int(image_id),
            "category_id": int(class_id),
            "score": float(score),
            "bbox": _xywh(box),
            "segmentation": dict(run),
        }
        for box, class_id, score, run in zip(
            detections.boxes, detections.class_ids, detections.scores, encoded, strict=True
        )
    ]


def _averages(precision: np.ndarray, kind: str) -> dict[str, float]:
    whole = precision[..., 0]
    values = {
        f"{kind}_ap": _mean(whole),
        f"{kind}_ap50": _mean(whole[AP50]),
        f"{kind}_ap75": _mean(whole[AP75]),
    }
    return values | {f"{kind}_ap_{area}": _mean(precision[..., index]) for index, area in enumerate(AREAS) if index}


def _mean(precision: np.ndarray) -> float:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else float("nan")


def _check_classes(class_ids: np.ndarray, num_classes: int, *, what: str) -> None:
    for class_id in np.asarray(class_ids):
        if not 1 <= class_id < num_classes:
            raise ValueError(f"the class id of each {what} must be in 1..{num_classes - 1}, got {class_id}")


def _xywh(box: np.ndarray) -> list[float]:
    y1, x1, y2, x2 = (float(side) for side in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _silent(*_: Any) -> None:
    """Discards the library's printed messages."""


def _make(class_names: Sequence[str], *, max_detections: int, class_facts: Mapping[str, Any]) -> CocoEvaluator:
    return CocoEvaluator(len(class_names), max_detections=max(DETECTIONS, max_detections))


KIND = MetricKind(
    make=_make,
    columns=("box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75"),
    validated={"box_ap": "box AP", "box_ap50": "box AP50", "mask_ap": "mask AP", "mask_ap50": "mask AP50"},
    monitored=("box_ap", "mask_ap"),
)
