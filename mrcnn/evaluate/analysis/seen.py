"""Collects objects and detections of evaluated images, and computes their overlaps.

Shape letters: N objects and D detections of one image.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from faster_coco_eval.core import mask as coco_mask

from mrcnn.data.coco import masks as runs
from mrcnn.data.coco.masks import Rle
from mrcnn.evaluate import coco
from mrcnn.evaluate.metric import Predictions
from mrcnn.structures import GroundTruth

BOX, MASK = "box", "mask"


class Seen(NamedTuple):
    """One evaluated image.

    Attributes:
        image_id: index of the image in its source.
        size: height and width, pixels.
        gt_boxes: `[N, 4]` float32, yxyx pixels of the image.
        gt_class_ids: `[N]` int; of a region to ignore its class, or 0 if it applies to all classes.
        gt_ignore: `[N]` bool, true for regions to ignore.
        gt_masks: N run-length encoded masks.
        boxes: `[D, 4]` float32, yxyx pixels of the image, by descending score.
        class_ids: `[D]` int, 1..C-1.
        scores: `[D]` float.
        masks: D run-length encoded masks.
    """

    image_id: int
    size: tuple[int, int]
    gt_boxes: np.ndarray
    gt_class_ids: np.ndarray
    gt_ignore: np.ndarray
    gt_masks: tuple[Rle, ...]
    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: tuple[Rle, ...]


class Overlaps(NamedTuple):
    """What the analysis needs to know of one image.

    Attributes:
        image_id: index of the image in its source.
        gt_class_ids: as in `Seen`.
        gt_ignore: as in `Seen`.
        class_ids: as in `Seen`.
        scores: as in `Seen`, descending.
        ious: `[D, N]` float in 0..1: the IoU; with a region to ignore the share of the detection inside it, as COCO
            defines it for crowds.
    """

    image_id: int
    gt_class_ids: np.ndarray
    gt_ignore: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    ious: np.ndarray


class Collector:
    """Collects all evaluated images, with masks as run lengths; has the method `add` of a metric.

    Attributes:
        images: those added so far.
    """

    def __init__(self) -> None:
        """Starts without images."""
        self.images: list[Seen] = []

    def add(self, image_id: int, ground_truth: GroundTruth, detections: Predictions) -> None:
        """Adds one image; see `metric.Metric.add`."""
        instances, size = ground_truth.instances, (ground_truth.height, ground_truth.width)
        order = np.argsort(-np.asarray(detections.scores), kind="stable")
        found = [mask if isinstance(mask, Mapping) else coco.encode_masks([mask])[0] for mask in detections.masks]
        corners = [(int(box[0]), int(box[1])) for box in instances.boxes]
        drawn = [runs.encode_crop(mask, at, size=size) for mask, at in zip(instances.masks, corners, strict=True)]
        self.images.append(
            Seen(
                image_id=image_id,
                size=size,
                gt_boxes=np.asarray(instances.boxes, np.float32).reshape(-1, 4),
                gt_class_ids=np.asarray(instances.class_ids),
                gt_ignore=np.asarray(instances.ignore, bool),
                gt_masks=tuple(drawn),
                boxes=np.asarray(detections.boxes, np.float32).reshape(-1, 4)[order],
                class_ids=np.asarray(detections.class_ids)[order],
                scores=np.asarray(detections.scores)[order],
                masks=tuple(dict(found[place]) for place in order),
            )
        )


def overlaps(seen: Seen, *, kind: str = MASK) -> Overlaps:
    """Computes the overlaps of an image's detections with its objects.

    Args:
        seen: the image.
        kind: `MASK`, or `BOX` where objects have no masks.
    """
    ignore = seen.gt_ignore.astype(np.uint8).tolist()
    shape = (len(seen.scores), len(seen.gt_ignore))
    found, truth = (
        (list(seen.masks), list(seen.gt_masks)) if kind == MASK else (_xywh(seen.boxes), _xywh(seen.gt_boxes))
    )
    ious = np.asarray(coco_mask.iou(found, truth, ignore)).reshape(shape) if all(shape) else np.zeros(shape)
    return Overlaps(seen.image_id, seen.gt_class_ids, seen.gt_ignore, seen.class_ids, seen.scores, ious)


def areas(seen: Seen) -> np.ndarray:
    """Counts the pixels of the masks of the objects that are not to ignore, `[n]` int."""
    kept = [mask for mask, ignored in zip(seen.gt_masks, seen.gt_ignore, strict=True) if not ignored]
    return np.asarray(coco_mask.area(kept), np.int64).reshape(-1) if kept else np.zeros(0, np.int64)


def _xywh(boxes: np.ndarray) -> np.ndarray:
    y1, x1, y2, x2 = boxes.astype(np.float64).T
    return np.ascontiguousarray(np.stack([x1, y1, x2 - x1, y2 - y1], axis=1))
