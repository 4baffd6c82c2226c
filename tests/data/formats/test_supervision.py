"""The readers beside supervision's: the same objects, with masks that differ at the outline alone."""

import cv2
import numpy as np
import pytest

from mrcnn.data.formats import table
from mrcnn.data.formats.record import Job
from tests.data.formats import making, test_labelme

sv = pytest.importorskip("supervision")

HEIGHT, WIDTH = 120, 160
STARS = {
    "cat": [[20, 10], [60, 20], [80, 60], [30, 50]],
    "dog": [[90, 70], [150, 60], [140, 110], [100, 100]],
}


def is_close(ours, theirs):
    """Checks that masks are equal but for a pixel at the outline, which supervision's drawing includes."""
    inner, outer = (step(theirs.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0 for step in (cv2.erode, cv2.dilate))
    return bool((inner <= ours).all() and (ours <= outer).all())


def compare(path, kind, theirs):
    (item,) = table.read(kind, Job(path))
    ((_, _, found),) = theirs
    assert len(item.annotation.labels) == len(found) == 2
    for label, mask, number in zip(item.annotation.labels, found.mask, found.class_id, strict=True):
        assert label.class_title == theirs.classes[number]
        assert is_close(making.drawn(label, height=HEIGHT, width=WIDTH), mask)


def test_read_yolo_as_supervision(tmp_path):
    making.image(tmp_path / "images" / "a.png", height=HEIGHT, width=WIDTH)
    rows = [
        f"{number} {' '.join(f'{x / WIDTH} {y / HEIGHT}' for x, y in ring)}"
        for number, ring in enumerate(STARS.values())
    ]
    making.write(tmp_path / "labels" / "a.txt", "\n".join(rows))
    data = making.write(tmp_path / "data.yaml", "train: images\nnames: [cat, dog]\n")
    folders = str(tmp_path / "images"), str(tmp_path / "labels")
    compare(data, "yolo", sv.DetectionDataset.from_yolo(*folders, str(data), force_masks=True))


def test_read_labelme_as_supervision(tmp_path):
    making.image(tmp_path / "a.png", height=HEIGHT, width=WIDTH)
    shapes = [test_labelme.shape(title, ring) for title, ring in STARS.items()]
    making.write(tmp_path / "a.json", {**test_labelme.content(*shapes), "imageHeight": HEIGHT, "imageWidth": WIDTH})
    theirs = sv.DetectionDataset.from_labelme(str(tmp_path), str(tmp_path))
    compare(tmp_path, "labelme", theirs)
