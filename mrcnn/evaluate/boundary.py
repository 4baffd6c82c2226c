"""COCO average precision of masks by their boundaries, which shows errors that the IoU of large masks hides.

The overlap of two masks is the smaller of their IoU and of their boundary IoU: the IoU of those pixels of each mask
that are within 2 % of the image's diagonal of the mask's own edge. The image's border is an edge, too. Of crowds the
usual overlap counts.
Source: Cheng et al. (2021), Boundary IoU, section 5; the authors' code, with whose `dilation_ratio` 0.02 the boundaries
agree.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import cv2
import numpy as np
from faster_coco_eval import COCOeval_faster

from mrcnn.data.coco import masks as runs
from mrcnn.data.coco.masks import Rle
from mrcnn.evaluate.coco import DETECTIONS, CocoEvaluator
from mrcnn.evaluate.groups import COUNTS
from mrcnn.evaluate.metric import PER_CLASS, ClassFacts, MetricKind

DILATION = 0.02  # share of the image's diagonal


class BoundaryEvaluator(CocoEvaluator):
    """Accumulates images and computes their boundary AP."""

    kinds: ClassVar[Mapping[str, str]] = {"boundary": "segm"}

    def result(self) -> dict[str, Any]:
        """Computes the metrics of all images added so far.

        Returns:
            `boundary_ap`, `boundary_ap50`, `boundary_ap75`, `boundary_ap_small`, `boundary_ap_medium` and
            `boundary_ap_large`: floats in 0..1, NaN where there is no object to count. `per_class`: for each class id
            the same.
        """
        found = super().result()
        per_class = {
            class_id: {name: value for name, value in values.items() if name not in COUNTS}
            for class_id, values in found.pop(PER_CLASS).items()
        }
        return {**found, PER_CLASS: per_class}

    def _scorer(self, *args: Any, **kwargs: Any) -> COCOeval_faster:
        return _BoundaryScorer(*args, **kwargs)


def boundary(mask: Rle) -> Rle:
    """Selects the pixels of a mask that are near its edge.

    Args:
        mask: run lengths of a mask.

    Returns:
        Run lengths of its pixels from which a pixel outside the mask, or outside the image, is at most as many rows and
        columns away as `boundary_width` says. An empty mask stays empty.
    """
    height, width = (int(side) for side in mask["size"])
    try:
        found = runs.draw(dict(mask), height=height, width=width)
    except runs.Unusable:  # it has no pixel
        return mask
    reach = 2 * boundary_width(height, width) + 1
    # around the mask's own box all pixels are outside
    padded = cv2.copyMakeBorder(found.mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((reach, reach), np.uint8))[1:-1, 1:-1] > 0
    return runs.encode_crop(found.mask & ~inner, found.origin, size=(height, width))


def boundary_width(height: int, width: int) -> int:
    """Computes how many pixels a boundary is wide: 2 % of the image's diagonal, rounded, at least 1."""
    return max(1, round(DILATION * math.hypot(height, width)))


class _BoundaryScorer(COCOeval_faster):
    """Scorer of masks that takes the boundary IoU where it is smaller.

    The library has an overlap of that name, but computes boundaries on whole images, which takes 45 ms for a mask in an
    image of 1080 x 1920 pixels. So they are computed here before it reads the masks, and the library compares them
    because `compute_boundary` is set afterwards.
    """

    def _prepare(self) -> None:
        for item in (*self.cocoGt.anns.values(), *self.cocoDt.anns.values()):
            runs_of = item["segmentation"]  # of a crowd the library compares the whole mask
            item["boundary"] = runs_of if item.get("iscrowd") else boundary(runs_of)
        super()._prepare()
        self.params.compute_boundary = True


def _make(class_names: Sequence[str], *, max_detections: int, class_facts: ClassFacts) -> BoundaryEvaluator:
    return BoundaryEvaluator(len(class_names), max_detections=max(DETECTIONS, max_detections))


KIND = MetricKind(make=_make, columns=("boundary_ap",))
