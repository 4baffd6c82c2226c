"""Detections as COCO JSON: what the images and categories are, and the results that COCO's tools read.

`annotations` of the file is exactly a COCO results list; `images` and `categories` say what its numbers mean.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn.evaluate import coco_metrics
from mrcnn.structures import CompactDetections


class CocoResults:
    """Collects the detections of a run; masks are kept run-length encoded."""

    def __init__(self, class_names: Sequence[str]):
        """Takes the title of each class id, the background first."""
        self._content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "categories": [{"id": index, "name": name} for index, name in enumerate(class_names) if index],
            "annotations": [],
        }

    def add(self, file_name: str, size: tuple[int, int], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Adds an image, `size` its height and width, with what `entries` made of it; images are numbered from 1."""
        image_id = len(self._content["images"]) + 1
        height, width = size
        self._content["images"].append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        self._content["annotations"] += [{"image_id": image_id, **item} for item in annotations]

    def write(self, path: Path) -> None:
        """Writes the JSON file, completely or not at all."""
        unfinished = path.with_name(f"{path.name}.partial")
        unfinished.write_text(json.dumps(self._content), encoding="utf-8")
        os.replace(unfinished, path)


def entries(detections: CompactDetections) -> list[dict[str, Any]]:
    """Makes the results of one image, ready for JSON, without the image's number."""
    made = []
    for box, class_id, score, mask in zip(
        detections.boxes, detections.class_ids, detections.scores, detections.masks, strict=True
    ):
        y1, x1, y2, x2 = (round(float(side), 2) for side in box)
        made.append(
            {
                "category_id": int(class_id),
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                "score": round(float(score), 6),
                "segmentation": coco_metrics.encode_crop(mask.pixels, mask.origin, size=detections.size),
            }
        )
    return made
