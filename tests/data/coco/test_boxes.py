"""Boxes of COCO annotations taken as masks."""

import pytest

from mrcnn.data.coco import boxes
from mrcnn.data.coco.file import read_coco
from mrcnn.errors import UserError
from tests.data.coco import cases

RING = [[2, 3, 6, 3, 6, 8, 2, 8]]


@pytest.mark.parametrize("segmentation", [None, [], [[]]])
def test_as_masks_adds_the_outline_of_a_box(segmentation):
    item = {"id": 1, "bbox": [2, 3, 4, 5], "segmentation": segmentation}
    assert boxes.as_masks([item]) == [{**item, "segmentation": RING}]
    assert item["segmentation"] == segmentation


@pytest.mark.parametrize(
    "item",
    [
        3,
        {},
        {"bbox": None},
        {"bbox": [1, 2, 3]},
        {"bbox": [1, 2, 0, 3]},
        {"bbox": ["a", 2, 3, 4]},
        {"bbox": [1, 2, 3, 4], "segmentation": RING},
    ],
)
def test_as_masks_keeps_what_has_a_mask_or_no_box(item):
    assert boxes.as_masks([item]) == [item]
    assert boxes.as_masks([]) == []


def test_as_masks_in_a_file_of_boxes(tmp_path):
    made = cases.content({**cases.annotation(1), "segmentation": [], "bbox": [2, 3, 4, 5]})
    path, images = cases.write(tmp_path, made)
    with pytest.raises(UserError, match=r"boxes without masks.*or take whole boxes by --boxes-as-masks"):
        read_coco(path, images)
    found = [item for image in read_coco(path, images, boxes_as_masks=True).images for item in image.objects]
    assert [item.segmentation for item in found] == [RING]
