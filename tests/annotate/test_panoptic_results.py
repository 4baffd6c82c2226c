"""COCO panoptic results: what is written, and that it is read back."""

import json

import cv2
import numpy as np

from mrcnn.annotate import panoptic_results
from mrcnn.data.formats import coco_panoptic
from mrcnn.predict.panoptic import Panoptic, Segment
from tests.data.formats import making

IDS = np.array([[1, 1, 0, 2], [1, 3, 3, 2]], np.int32)
MERGED = Panoptic(IDS, (Segment(2, True, 3, 0, 0.75), Segment(1, True, 2, 1, 0.5), Segment(1, False, 2)))
NAMES, STUFF = ("bg", "cat", "dog"), ("sky",)


def test_segments_number_stuff_behind_things():
    dog, cat, sky = panoptic_results.segments(MERGED, classes=3)
    assert dog == {"id": 1, "category_id": 2, "area": 3, "bbox": [0, 0, 2, 2], "iscrowd": 0, "score": 0.75}
    assert (cat["category_id"], cat["bbox"]) == (1, [3, 0, 1, 2])
    assert sky == {"id": 3, "category_id": 3, "area": 2, "bbox": [1, 1, 2, 1], "iscrowd": 0}
    assert panoptic_results.segments(Panoptic(IDS, ()), classes=3) == []


def test_write_ids_is_read_back(tmp_path):
    ids = np.array([[0, 255, 256], [65535, 65536, 2**24 - 1]], np.int32)
    panoptic_results.write_ids(tmp_path / "below" / "a.png", ids)
    np.testing.assert_array_equal(coco_panoptic.read_ids(tmp_path / "below" / "a.png"), ids)
    blue, green, red = cv2.imread(str(tmp_path / "below" / "a.png"))[0, 2]  # 256 is a green of 1
    assert (red, green, blue) == (0, 1, 0)


def test_write_is_read_back(tmp_path):
    making.image(tmp_path / "img" / "x" / "a.jpg", height=2, width=4)
    found = panoptic_results.segments(MERGED, classes=3)
    panoptic_results.write_ids(tmp_path / "panoptic" / panoptic_results.png_name("x/a.jpg"), IDS)
    path = tmp_path / "panoptic.json"
    panoptic_results.write(path, [("x/a.jpg", (2, 4), found)], class_names=NAMES, stuff=STUFF)
    [item], report = making.read("coco_panoptic", path, images=tmp_path / "img")
    titles = [label.class_title for label in item.annotation.labels]
    assert titles == ["dog", "cat", "sky"]
    sizes = [int(making.drawn(label, height=2, width=4).sum()) for label in item.annotation.labels]
    assert sizes == [3, 2, 2]
    assert report.class_facts["sky"] == {"id": 3, "isthing": 0}
    assert json.loads(path.read_text())["images"] == [{"id": 1, "file_name": "x/a.jpg", "height": 2, "width": 4}]
