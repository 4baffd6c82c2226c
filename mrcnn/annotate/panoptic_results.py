"""Writes panoptic results of a run as COCO panoptic JSON and PNG files, which `data/formats/coco_panoptic` reads.

A pixel's segment id is R + 256 G + 65536 B; 0 belongs to no segment.
Source: COCO data format (cocodataset.org), panoptic segmentation.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mrcnn import files
from mrcnn.predict.panoptic import Panoptic

Entry = tuple[str, tuple[int, int], list[dict[str, Any]]]  # an image's name, height and width, and segments


def segments(merged: Panoptic, *, classes: int) -> list[dict[str, Any]]:
    """Lists the segments of an image.

    Args:
        merged: of the image.
        classes: number of classes with background; stuff has the category ids from it on.
    """
    found = []
    for number, segment in enumerate(merged.segments, start=1):
        x, y, width, height = cv2.boundingRect((merged.ids == number).view(np.uint8))
        category = segment.class_id if segment.is_thing else classes - 1 + segment.class_id
        score = {} if segment.score is None else {"score": round(segment.score, 6)}
        found.append(
            {
                "id": number,
                "category_id": category,
                "area": segment.area,
                "bbox": [x, y, width, height],
                "iscrowd": 0,
                **score,
            }
        )
    return found


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Writes the segment ids of an image, `[H, W]` integers below 2**24, as a PNG file; its folder is created."""
    channels = np.stack([ids >> 16, (ids >> 8) & 255, ids & 255], axis=-1)  # OpenCV's order: blue, green, red
    _, data = cv2.imencode(".png", channels.astype(np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.replaced(path) as unfinished:
        unfinished.write_bytes(data.tobytes())


def png_name(title: str) -> str:
    """Makes the name of an image's PNG file from the image's own, inside the folder of these files."""
    return f"{title}.png"


def write(path: Path, entries: Iterable[Entry], *, class_names: Sequence[str], stuff: Sequence[str]) -> None:
    """Writes the JSON file atomically.

    Args:
        path: of the file.
        entries: the images, which are numbered from 1.
        class_names: title of each class id, the background first.
        stuff: titles of the stuff classes.
    """
    numbered = [(number, *entry) for number, entry in enumerate(entries, start=1)]
    content = {
        "images": [
            {"id": number, "file_name": title, "height": height, "width": width}
            for number, title, (height, width), _ in numbered
        ],
        "annotations": [
            {"image_id": number, "file_name": png_name(title), "segments_info": found}
            for number, title, _, found in numbered
        ],
        "categories": _categories(class_names, stuff),
    }
    with files.replaced(path) as unfinished:
        unfinished.write_text(json.dumps(content), encoding="utf-8")


def _categories(class_names: Sequence[str], stuff: Sequence[str]) -> list[Mapping[str, Any]]:
    things = [{"id": index, "name": name, "isthing": 1} for index, name in enumerate(class_names) if index]
    others = [{"id": index, "name": name, "isthing": 0} for index, name in enumerate(stuff, start=len(class_names))]
    return [*things, *others]
