"""COCO average precision of keypoints by object keypoint similarity (OKS), computed by faster-coco-eval.

OKS is to keypoints what IoU is to boxes: the mean over an object's annotated points of exp(-d^2 / (2 * area * k^2)),
where d is the distance to the detection's point and k is twice the point's sigma, which the template of the model has.
Objects without annotated points are ignored.
Source: the COCO keypoint evaluation (2016). An object's area is its mask's pixel count. An object that is annotated by
its points alone has no such mask; its area is 0.53 of its box, the share that COCO's persons have of theirs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from mrcnn.evaluate.metric import PER_CLASS, MetricKind, Predictions
from mrcnn.fields.keypoints import NAME, Keypoints
from mrcnn.structures import GroundTruth

DETECTIONS = 20  # that COCO scores of an image and class
MOST = 100  # COCO's largest number of detections of an image; a higher limit of the model is used instead of 20
BOX_SHARE = 0.53  # of a box's area, for an object without a mask
AREAS = ("all", "medium", "large")  # the library's order for keypoints
AP50, AP75 = 0, 5  # positions of the OKS thresholds 0.50 and 0.75 among 0.50, 0.55, ... 0.95


class KeypointEvaluator:
    """Accumulates images and computes the OKS metrics of their keypoints."""

    def __init__(self, num_classes: int, *, sigmas: Sequence[float], max_detections: int = DETECTIONS):
        """Starts without images.

        Args:
            num_classes: number of classes with background.
            sigmas: of each point, as a share of the square root of the object's area.
            max_detections: number of detections of an image and class that are scored, by descending score.
        """
        self.num_classes, self.sigmas, self.max_detections = num_classes, tuple(sigmas), max_detections
        self._images: list[dict[str, Any]] = []
        self._objects: list[dict[str, Any]] = []
        self._detections: list[dict[str, Any]] = []

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image with its objects and detections; see `Metric.add`.

        Detections without any point are left out.
        """
        self._images.append({"id": int(image_id), "height": ground_truth.height, "width": ground_truth.width})
        for index in range(len(ground_truth.instances.boxes)):
            self._add_object(image_id, ground_truth, index)
        for class_id, score, points in zip(
            detections.class_ids, detections.scores, detections.extras[NAME], strict=True
        ):
            if points[:, 2].any():
                self._detections.append(
                    {
                        "image_id": int(image_id),
                        "category_id": int(class_id),
                        "score": float(score),
                        "keypoints": _flat(points),
                    }
                )

    def result(self) -> dict[str, Any]:
        """Computes the metrics of all images added so far.

        Returns:
            `keypoint_ap`, `keypoint_ap50`, `keypoint_ap75`, `keypoint_ap_medium` and `keypoint_ap_large`: floats in
            0..1, NaN where no object has points. `per_class`: the same for each class id.
        """
        precision = self._precision()
        per_class = {class_id: _averages(precision[:, :, class_id - 1]) for class_id in range(1, self.num_classes)}
        return {**_averages(precision), PER_CLASS: per_class}

    def _add_object(self, image_id: int, ground_truth: GroundTruth, index: int) -> None:
        instances = ground_truth.instances
        points = instances.extras[NAME][index]
        y1, x1, y2, x2 = (float(side) for side in instances.boxes[index])
        annotated = int(np.count_nonzero(points[:, 2]))
        area = float(np.count_nonzero(instances.masks[index]))
        if area <= annotated:  # the mask is no more than the points themselves
            area = max(BOX_SHARE * (y2 - y1) * (x2 - x1), 1.0)
        class_id, ignore = int(instances.class_ids[index]), bool(instances.ignore[index])
        for category in [class_id] if class_id > 0 else range(1, self.num_classes):
            self._objects.append(
                {
                    "id": len(self._objects) + 1,  # 0 would mean "unmatched" to the library
                    "image_id": int(image_id),
                    "category_id": category,
                    "iscrowd": int(ignore),
                    "area": area,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "keypoints": _flat(points),
                    "num_keypoints": annotated,
                }
            )

    def _precision(self) -> np.ndarray:
        """Computes the precision at each OKS threshold and recall, by class and size of object.

        Returns:
            `[10 OKS thresholds, 101 recalls, C - 1, 3 areas]`; -1 where there is no object to count.
        """
        if not self._images:
            return np.full((10, 101, self.num_classes - 1, len(AREAS)), -1.0)
        categories = [
            {"id": class_id, "name": str(class_id), "keypoints": [str(number) for number in range(len(self.sigmas))]}
            for class_id in range(1, self.num_classes)
        ]
        # the library modifies its arguments
        objects, found = ([dict(item) for item in items] for items in (self._objects, self._detections))
        truth = COCO({"images": self._images, "categories": categories, "annotations": objects}, print_function=_silent)
        scorer = COCOeval_faster(
            truth,
            truth.loadRes(found),
            "keypoints",
            print_function=_silent,
            kpt_oks_sigmas=list(self.sigmas),
        )
        scorer.params.maxDets = [self.max_detections]
        scorer.params.catIds = list(range(1, self.num_classes))  # else those of the objects only
        scorer.evaluate()
        scorer.accumulate()
        return scorer.eval["precision"][..., -1]


def _flat(points: np.ndarray) -> list[float]:
    """Lists x, y, v of the points; the library counts every v above 0 alike."""
    seen = np.where(points[:, 2:] != 0, 2.0, 0.0)
    return np.concatenate([points[:, :2].astype(np.float64) * (seen > 0), seen], axis=1).reshape(-1).tolist()


def _averages(precision: np.ndarray) -> dict[str, float]:
    whole = precision[..., 0]
    values = {"ap": whole, "ap50": whole[AP50], "ap75": whole[AP75]}
    values |= {f"ap_{area}": precision[..., index] for index, area in enumerate(AREAS) if index}
    return {f"keypoint_{name}": _mean(part) for name, part in values.items()}


def _mean(precision: np.ndarray) -> float:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else math.nan


def _silent(*_: Any) -> None:
    """Discards the library's printed messages."""


def _make(
    class_names: Sequence[str], *, max_detections: int, class_facts: Mapping[str, Any], fields: Mapping[str, Any]
) -> KeypointEvaluator:
    field = fields[NAME]
    template = field.template if isinstance(field, Keypoints) else None
    if template is None:
        raise ValueError("the keypoint metric needs the field `keypoints` of a model, see `fields.table.of_model`")
    scored = max_detections if max_detections > MOST else DETECTIONS
    return KeypointEvaluator(len(class_names), sigmas=template.settled_sigmas, max_detections=scored)


KIND = MetricKind(
    make=_make,
    columns=("keypoint_ap", "keypoint_ap50", "keypoint_ap75"),
    validated={"keypoint_ap": "keypoint AP", "keypoint_ap50": "keypoint AP50"},
    monitored=("keypoint_ap",),
    needs=(NAME,),
    uses_fields=True,
)
