"""Folders of data with exactly the files that the pages of docs/data show, for their commands."""

import json
import re
from pathlib import PurePosixPath

import cv2
import numpy as np

from tests.data.coco import cases
from tests.data.formats import (
    making,
    test_cityscapes,
    test_coco_panoptic,
    test_cvat,
    test_label_studio,
    test_labelbox,
    test_labelme,
    test_png_masks,
    test_via,
    test_voc,
    test_yolo,
)

PICTURES = (".jpg", ".png")
SUPERVISELY_META = {"classes": [{"title": "cat", "shape": "polygon", "color": "#FF0000"}], "tags": []}
POLYGON = {"exterior": making.SQUARE, "interior": []}


def files_of(tree):
    """Lists the files of a page's tree.

    A line names a folder, with its files behind three spaces, or files; the indentation says in which folder they are.
    """
    found, open_folders = [], []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name, *rest = re.split(r" {2,}", line.strip())
        parents = open_folders[:depth]
        if name.endswith("/"):
            open_folders = [*parents, name]
            parents, names = open_folders, rest
        else:
            names = [name]
        listed = [item for item in ", ".join(names).split(", ") if item not in ("", "…")]
        found += [PurePosixPath(*parents, item) for item in listed]
    return found


def make(page, files, root):
    """Writes the files of a page below `root`: its annotations by `WRITERS`; grey images for other pictures."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if not WRITERS[page](path):
            assert path.suffix in PICTURES, f"{page} makes no {file}"
            making.image(path)


def _labelme(path):
    shapes = test_labelme.content(test_labelme.shape(), path=f"{path.stem}.jpg")
    return path.suffix == ".json" and making.write(path, shapes)


def _yolo(path):
    if path.name == "data.yaml":
        return making.write(path, "train: ../train/images\nval: ../valid/images\nnames: [dog, cat]\n")
    return path.suffix == ".txt" and making.write(path, test_yolo.ROW)


def _via(path):
    entries = [test_via.entry(test_via.region(name="cat"), name=f"{name}.jpg") for name in "ab"]
    return path.suffix == ".json" and making.write(path, test_via.project(*entries))


def _cvat(path):
    images = [test_cvat.image(test_cvat.POLYGON, name=f"{name}.jpg") for name in "ab"]
    return path.suffix == ".xml" and making.write(path, test_cvat.document(*images))


def _label_studio(path):
    tasks = [
        test_label_studio.task(test_label_studio.region(), image=f"/data/upload/1/e3b0c442-{name}.jpg", number=number)
        for number, name in enumerate("ab")
    ]
    return path.suffix == ".json" and making.write(path, tasks)


def _labelbox(path):
    rows = [test_labelbox.row(test_labelbox.item(), name=f"{name}.jpg") for name in "ab"]
    return path.suffix == ".ndjson" and making.write(path, "\n".join(map(json.dumps, rows)))


def _voc(path):
    objects, classes = test_voc.masks()
    if path.parent.name in ("SegmentationObject", "SegmentationClass"):
        test_voc.palette(path, objects if path.parent.name == "SegmentationObject" else classes)
        return True
    if path.suffix == ".txt":
        return making.write(path, {"train": "a\n", "val": "b\n"}[path.stem])
    entries = [test_voc.entry(name) for name in ("cat", "dog", "dog")]
    return path.suffix == ".xml" and making.write(path, test_voc.document(*entries, name=f"{path.stem}.jpg"))


def _png_masks(path):
    if path.parent.name == "masks":
        test_png_masks.write(path, np.eye(making.HEIGHT, making.WIDTH, dtype=np.uint8))
    return path.parent.name == "masks"


def _cityscapes(path):
    return path.name.endswith("_instanceIds.png") and cv2.imwrite(str(path), test_cityscapes.ids().astype(np.uint16))


def _coco_panoptic(path):
    if path.suffix == ".json":
        name = "a" if "train" in path.stem else "b"
        size = {"height": making.HEIGHT, "width": making.WIDTH}
        annotation = {"image_id": 5, "file_name": f"{name}.png", "segments_info": test_coco_panoptic.SEGMENTS}
        content = {"images": [{"id": 5, "file_name": f"{name}.jpg", **size}], "annotations": [annotation]}
        return making.write(path, {**content, "categories": test_coco_panoptic.CATEGORIES})
    values = test_coco_panoptic.ids()
    blue, green, red = values >> 16, (values >> 8) & 255, values & 255
    return path.suffix == ".png" and cv2.imwrite(str(path), np.stack([blue, green, red], axis=-1).astype(np.uint8))


def _coco(path):
    """Writes a COCO file of one image, or an image of the size that the file says."""
    if path.suffix == ".jpg":
        return making.image(path, height=cases.HEIGHT, width=cases.WIDTH)
    name = "a.jpg" if "train" in (path.stem.split("_")[-1], path.parent.name) else "b.jpg"
    return making.write(path, cases.content(cases.annotation(1), images=[cases.image(1, name)], categories=[cases.CAT]))


def _supervisely(path):
    size = {"height": making.HEIGHT, "width": making.WIDTH}
    figure = {"classTitle": "cat", "geometryType": "polygon", "points": POLYGON, "tags": []}
    content = {"meta": SUPERVISELY_META}.get(path.stem, {"tags": [], "size": size, "objects": [figure]})
    return path.suffix == ".json" and making.write(path, content)


WRITERS = {
    "labelme": _labelme,
    "yolo": _yolo,
    "via": _via,
    "cvat": _cvat,
    "label_studio": _label_studio,
    "labelbox": _labelbox,
    "voc": _voc,
    "png_masks": _png_masks,
    "cityscapes": _cityscapes,
    "coco_panoptic": _coco_panoptic,
    "coco": _coco,
    "roboflow": _coco,
    "supervisely": _supervisely,
}
