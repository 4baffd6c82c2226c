"""A project of a few drawn images, and the config of a network that trains on it in seconds."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter

SIDE = 64
CONFIG: dict[str, Any] = {
    "lr": 0.002,
    "epochs": 2,
    "batch_size": {"train": 2, "val": 2},
    "input_size": {"min_dim": SIDE, "max_dim": SIDE},
    "weights_init_type": "random",
    "model": {
        "backbone": "resnet50",
        "anchor_sizes": [8, 16, 32, 64, 128],
        "fpn_channels": 8,
        "rpn_channels": 8,
        "box_fc_channels": 8,
        "pre_nms_topk": 400,
        "post_nms_topk_train": 200,
        "post_nms_topk": 10,
        "rpn_samples": 32,
        "roi_samples": 32,
        "max_gt_instances": 4,
        "gt_mask_size": 16,
        "mask_pool_size": 7,
        "mask_size": 14,
        "detections_per_image": 5,
    },
}


def draw(index: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Draws an image of one bright disc or bar on a dark ground; 48 x 64 pixels; gives its mask and class, too."""
    random = np.random.default_rng(index)
    image = random.integers(0, 60, (48, 64, 3)).astype(np.uint8)
    y, x = (int(random.integers(14, side - 14)) for side in image.shape[:2])
    mask = np.zeros(image.shape[:2], np.uint8)
    title = "disc" if index % 2 else "bar"
    if title == "disc":
        cv2.circle(mask, (x, y), 10, 1, -1)
    else:
        cv2.rectangle(mask, (x - 12, y - 6), (x + 12, y + 6), 1, -1)
    image[mask > 0] += 150
    return image, mask > 0, title


def points_of(mask: np.ndarray) -> dict[str, Any]:
    """Returns labelled points of a mask, as keys of an object's JSON: its box's middle and corners."""
    (y1, *_, y2), (x1, *_, x2) = (np.flatnonzero(mask.any(axis=axis)).tolist() for axis in (1, 0))
    places = [[(x1 + x2) // 2, (y1 + y2) // 2], [x1, y1], [x2, y1], [x1, y2], [x2, y2]]
    return {"point_coords": places, "point_labels": [int(mask[y, x]) for x, y in places]}


def write_project(folder: Path, *, train: int = 4, val: int = 3) -> Path:
    """Writes a project of drawn images, lossless."""
    meta = ProjectMeta((ClassMeta("disc", "bitmap", "#FF0000"), ClassMeta("bar", "bitmap", "#00FF00")))
    with ProjectWriter(folder, meta.with_tags("train", "val")) as writer:
        for index in range(train + val):
            image, mask, title = draw(index)
            label = Label(title, Bitmap((0, 0), mask), extra=points_of(mask))
            tag = Tag("train" if index < train else "val")
            annotation = Annotation(image.shape[:2], (tag,), (label,))
            writer.add("ds", f"{index}.png", cv2.imencode(".png", image)[1].tobytes(), annotation=annotation)
    return folder


def write_coco(folder: Path, *, train: int = 4, val: int = 3) -> tuple[Path, Path, Path]:
    """Writes the same images as COCO data: `train.json`, `val.json` and the folder `img`; gives the three paths."""
    categories = [{"id": 7, "name": "disc"}, {"id": 9, "name": "bar"}]
    ids = {item["name"]: item["id"] for item in categories}
    (folder / "img").mkdir(parents=True)
    for name, indices in (("train", range(train)), ("val", range(train, train + val))):
        images, annotations = [], []
        for index in indices:
            image, mask, title = draw(index)
            cv2.imwrite(str(folder / "img" / f"{index}.png"), image)
            images.append({"id": index, "file_name": f"{index}.png", "height": 48, "width": 64})
            edges = np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=False, append=False))
            counts = np.diff(edges, prepend=0, append=mask.size).tolist()
            segmentation = {"size": [48, 64], "counts": counts}
            annotations.append(
                {"id": index, "image_id": index, "category_id": ids[title], "segmentation": segmentation, "iscrowd": 0}
            )
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder / "train.json", folder / "val.json", folder / "img"
