"""Writes detections as COCO JSON, in the two forms that COCO tools read.

- A data set, for `COCO(file)`: images, categories, and the detections as annotations with a score.
- A results list, for `COCO(file).loadRes(list)`: only the detections, with the image and category ids of the data set.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faster_coco_eval.core import mask as rle_tools

from mrcnn import files
from mrcnn.data.coco import masks
from mrcnn.fields import extras
from mrcnn.fields.table import Fields
from mrcnn.structures import CompactDetections


class CocoResults:
    """Collects the detections of a run, with run-length encoded masks."""

    def __init__(self, class_names: Sequence[str], *, fields: Collection[str] = ()):
        """Starts without images.

        Args:
            class_names: title of each class id, the background first.
            fields: the extra fields of the detections, as for `fields.table.chosen`.
        """
        own = extras.to_coco_category(fields)
        self._content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "categories": [{**own, "id": index, "name": name} for index, name in enumerate(class_names) if index],
            "annotations": [],
        }

    def add(self, file_name: str, size: tuple[int, int], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Adds an image with its detections; images are numbered from 1.

        Args:
            file_name: the image's `file_name` in the data set.
            size: height and width of the image, pixels.
            annotations: the detections, from `entries`.
        """
        image_id = len(self._content["images"]) + 1
        height, width = size
        self._content["images"].append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        self._content["annotations"] += [{"image_id": image_id, **item} for item in annotations]

    def write(self, path: Path, results_path: Path) -> None:
        """Writes the data set to `path` and the results list to `results_path`, each atomically."""
        found = self._content["annotations"]
        areas = rle_tools.area([item["segmentation"] for item in found]).tolist() if found else []
        own = [{"id": number, "iscrowd": 0, "area": area} for number, area in enumerate(areas, start=1)]
        annotations = [{**item, **more} for item, more in zip(found, own, strict=True)]
        for target, content in ((path, {**self._content, "annotations": annotations}), (results_path, found)):
            with files.replaced(target) as unfinished:
                unfinished.write_text(json.dumps(content), encoding="utf-8")


def entries(detections: CompactDetections, fields: Fields | None = None) -> list[dict[str, Any]]:
    """Converts the detections of one image to JSON dictionaries, without the image id.

    Args:
        detections: of the image.
        fields: their extra fields by name; None for those of `FIELDS`.
    """
    made = []
    for row, mask in enumerate(detections.masks):
        y1, x1, y2, x2 = (round(float(side), 2) for side in detections.boxes[row])
        made.append(
            {
                "category_id": int(detections.class_ids[row]),
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                "score": round(float(detections.scores[row]), 6),
                "segmentation": masks.encode_crop(mask.pixels, mask.origin, size=detections.size),
                **extras.to_coco(extras.row_of(detections.extras, row), fields),
            }
        )
    return made
