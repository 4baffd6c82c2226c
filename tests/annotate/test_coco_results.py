"""Detections as COCO JSON."""

import json

import numpy as np
import pytest
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as rle_tools
from pycocotools.coco import COCO as PycocoCOCO

from mrcnn.annotate.coco_results import CocoResults, entries
from mrcnn.predict import compact
from tests.predict import helpers


def write(tmp_path, *images):
    results = CocoResults(("bg", "cat", "dog"))
    for name, size, detections in images:
        results.add(name, size, entries(compact.from_dense(detections)))
    results.write(tmp_path / "predictions.json", tmp_path / "predictions_results.json")
    return json.loads((tmp_path / "predictions.json").read_text())


def test_content(tmp_path):
    none = helpers.make_detections([], [], [], size=(6, 8))
    found = helpers.make_detections([[1, 2, 4.126, 7]], ["dog"], [0.9], size=(8, 10))
    content = write(tmp_path, ("a.png", (6, 8), none), ("b.png", (8, 10), found))
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert content["images"] == [
        {"id": 1, "file_name": "a.png", "height": 6, "width": 8},
        {"id": 2, "file_name": "b.png", "height": 8, "width": 10},
    ]
    (item,) = content["annotations"]
    assert (item["image_id"], item["category_id"], item["score"]) == (2, 2, 0.9)
    assert item["bbox"] == [2.0, 1.0, 5.0, 3.13]  # x, y, width, height
    np.testing.assert_array_equal(rle_tools.decode(item["segmentation"]).astype(bool), found.masks[0])


def test_coco_results_annotations_are_a_results_list(tmp_path):
    found = helpers.make_detections([[1, 2, 4, 7]], ["cat"], [0.5], size=(8, 10))
    content = write(tmp_path, ("a.png", (8, 10), found))
    truth = COCO({"images": content["images"], "categories": content["categories"], "annotations": []})
    assert len(truth.loadRes(content["annotations"]).anns) == 1


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools
@pytest.mark.parametrize("library", [COCO, PycocoCOCO])
def test_coco_results_each_file_loads_in_its_way(tmp_path, library):
    found = helpers.make_detections([[1, 2, 4, 7], [0, 0, 2, 3]], ["cat", "dog"], [0.5, 0.4], size=(8, 10))
    none = helpers.make_detections([], [], [], size=(6, 8))
    write(tmp_path, ("none.png", (6, 8), none), ("a.png", (8, 10), found))
    data_set = library(str(tmp_path / "predictions.json"))
    results = data_set.loadRes(str(tmp_path / "predictions_results.json"))
    for loaded in (data_set, results):
        assert loaded.getAnnIds(imgIds=[1]) == []
        cat, dog = loaded.loadAnns(loaded.getAnnIds(imgIds=[2]))
        assert (cat["id"], cat["category_id"], cat["score"], cat["iscrowd"]) == (1, 1, 0.5, 0)
        assert (dog["id"], dog["category_id"], dog["score"], dog["iscrowd"]) == (2, 2, 0.4, 0)
        for item, mask in zip((cat, dog), found.masks, strict=True):
            np.testing.assert_array_equal(loaded.annToMask(item).astype(bool), mask)
    masks = [int(mask.sum()) for mask in found.masks]
    assert [item["area"] for item in data_set.loadAnns(data_set.getAnnIds())] == masks


def test_coco_results_results_list_holds_what_results_hold(tmp_path):
    found = helpers.make_detections([[1, 2, 4, 7]], ["cat"], [0.5], size=(8, 10))
    write(tmp_path, ("a.png", (8, 10), found))
    (item,) = json.loads((tmp_path / "predictions_results.json").read_text())
    assert item.keys() == {"image_id", "category_id", "bbox", "score", "segmentation"}


def test_coco_results_no_image(tmp_path):
    assert write(tmp_path)["annotations"] == []


def test_coco_results_nothing_half_written_stays(tmp_path):
    write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.json", "predictions_results.json"]
