import numpy as np
import pytest

from mrcnn.report import overlaps
from mrcnn.report.overlaps import Overlap


def test_of_image_finds_the_mask_that_covers_the_same_pixels():
    full = np.ones((10, 10), bool)
    boxes = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [50, 50, 60, 60]])
    found = overlaps.of_image(boxes, [full, full, full], class_ids=np.array([1, 1, 1]))
    iou = 90 / 110  # 9 of 10 columns are shared; 100 + 100 - 90 in either
    assert found[0] == (pytest.approx(iou), 1, pytest.approx(iou))
    assert found[1] == (pytest.approx(iou), 0, pytest.approx(iou))
    assert found[2] == Overlap(0, -1, 0)


def test_of_image_compares_masks_of_all_classes_and_boxes_of_one():
    full = np.ones((10, 10), bool)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]])
    found = overlaps.of_image(boxes, [full, full], class_ids=np.array([1, 2]))
    assert found == [Overlap(1, 1, 0), Overlap(1, 0, 0)]


def test_of_image_of_equal_boxes_whose_masks_share_nothing():
    above = np.triu(np.ones((10, 10), bool), 1)
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]])
    found = overlaps.of_image(boxes, [above, above.T], class_ids=np.array([1, 1]))
    assert found == [Overlap(0, -1, 1), Overlap(0, -1, 1)]


def test_of_image_leaves_small_overlaps_out():
    full = np.ones((10, 10), bool)
    boxes = np.array([[0, 0, 10, 10], [0, 4, 10, 14]])  # 60 of 140 shared: 0.43
    found = overlaps.of_image(boxes, [full, full], class_ids=np.array([1, 1]))
    assert found[0] == (0, -1, pytest.approx(60 / 140))


def test_of_image_without_objects_and_with_one():
    assert overlaps.of_image(np.zeros((0, 4)), [], class_ids=np.zeros(0)) == []
    one = overlaps.of_image(np.array([[0, 0, 2, 2]]), [np.ones((2, 2), bool)], class_ids=np.array([1]))
    assert one == [Overlap(0, -1, 0)]


def test_mask_iou_of_masks_in_boxes_that_overlap_in_part():
    first, second = np.ones((4, 4), bool), np.ones((2, 8), bool)
    box, other = np.array([0, 0, 4, 4]), np.array([2, 2, 4, 10])
    assert overlaps.mask_iou(first, second, box=box, other_box=other) == 4 / 28  # 2 x 2 shared, 16 + 16 - 4
    apart = np.array([4, 0, 6, 8])
    assert overlaps.mask_iou(first, second, box=box, other_box=apart) == 0
    nothing = np.zeros((4, 4), bool)
    assert overlaps.mask_iou(nothing, nothing, box=box, other_box=box) == 0
