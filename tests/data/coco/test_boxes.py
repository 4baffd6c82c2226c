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


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"bbox": [2, 3, 4, 5]}, ((2, 3), (5, 7))),  # columns 2 to 5, rows 3 to 7
        ({"bbox": [2.5, 3.2, 4, 5]}, ((2, 3), (6, 8))),  # 2.5 to 6.5 and 3.2 to 8.2
        ({"bbox": [2, 3, 0.5, 0.5]}, ((2, 3), (2, 3))),
        ({"bbox": [2, 3, 0, 5]}, None),
        ({"bbox": [2, 3, 5]}, None),
        ({"bbox": None}, None),
        ({}, None),
        ({"bbox": [2, 3, 4, 5], "segmentation": RING}, None),
        ({"bbox": [2, 3, 4, 5], "segmentation": []}, ((2, 3), (5, 7))),
    ],
)
def test_corners_of_are_the_first_and_last_pixels_of_a_box_without_a_mask(item, expected):
    assert boxes.corners_of(item) == expected


def test_have_points_looks_for_one_annotation():
    assert boxes.have_points([3, {}, {"point_coords": [[1, 2]]}])
    assert not boxes.have_points([])
    assert not boxes.have_points([{"point_coords": []}, None, {"bbox": [1, 2, 3, 4]}])


POINTS = {"segmentation": [], "bbox": [2, 3, 4, 5], "point_coords": [[2, 3], [4, 5]], "point_labels": [1, 0]}


def test_read_coco_keeps_boxes_where_objects_have_points(tmp_path):
    items = [cases.annotation(1, **POINTS), cases.annotation(2, segmentation=None, bbox=[1, 1, 3, 3])]
    path, images = cases.write(tmp_path, cases.content(*items))
    for fields in (None, ("mask_points",)):
        first, second = (image.objects[0] for image in read_coco(path, images, fields=fields).images)
        assert (first.corners, second.corners) == (((2, 3), (5, 7)), ((1, 1), (3, 3)))
        assert first.extras["mask_points"].tolist() == [[2.5, 3.5, 1], [4.5, 5.5, 0]]
        assert dict(second.extras) == {}
    with pytest.raises(UserError, match=r"boxes without masks.*or learn from its points by `model.mask_supervision`"):
        read_coco(path, images, fields=())


def test_read_coco_leaves_malformed_points_out(tmp_path):
    items = [cases.annotation(1, **POINTS), cases.annotation(2, **{**POINTS, "point_labels": [1]})]
    path, images = cases.write(tmp_path, cases.content(*items))
    found = read_coco(path, images)
    assert [len(image.objects) for image in found.images] == [1, 0]
    assert found.lost == 1
    (line,) = found.warnings
    assert "`point_coords` must be [x, y] of each of `point_labels`" in line
