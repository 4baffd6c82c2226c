"""Differences between two lists of detections, with worked numbers."""

import numpy as np
import pytest

from mrcnn.export import compare
from mrcnn.export.compare import Tolerances

from . import helpers

SIZE = (40, 50)
BOXES = [[0, 0, 20, 20], [10, 10, 30, 40], [5, 30, 25, 45]]


def live(scores=(0.9, 0.8, 0.75), class_ids=(1, 2, 1)):
    return helpers.make_detections(BOXES[: len(scores)], class_ids[: len(scores)], scores, size=SIZE)


def run(left, exported, **kwargs):
    options = {"score_threshold": 0.7, "most": 100, "tolerances": Tolerances(), **kwargs}
    return compare.compare(left, exported, name="photo", signature="encoded", **options)


def test_equal_lists():
    result = run(live(), helpers.outputs(live()))
    assert (result.image, result.signature, result.height, result.width) == ("photo", "encoded", 40, 50)
    assert (result.live, result.exported, result.paired, result.borderline, result.unpaired) == (3, 3, 3, 0, 0)
    assert (result.box_px, result.score, result.mask_pixels, result.mask_iou, result.masks_off) == (0, 0, 0, 1, 0)


def test_no_detections():
    nothing = helpers.make_detections([], [], [], size=SIZE)
    result = run(nothing, helpers.outputs(nothing))
    assert (result.paired, result.unpaired, result.box_px, result.mask_iou) == (0, 0, 0, 1)


def test_largest_differences():
    exported = helpers.outputs(live())
    exported["boxes"][1] += [0, 0.25, -0.5, 0]
    exported["scores"] += np.float32([0.125, 0, -0.0625])
    exported["masks"][0, 0, :6] = 0  # 6 of 20 * 20 pixels
    exported["masks"][2, 39, 0] = 1  # 1 pixel more than 20 * 15
    result = run(live(), exported)
    assert (result.paired, result.box_px, result.score, result.mask_pixels) == (3, 0.5, 0.125, 6)
    assert result.mask_iou == pytest.approx(1 - 6 / 400)
    assert result.masks_off == 1  # 6 > max(2, 1% of 400 = 4); 1 pixel is within


def test_a_whole_edge_may_be_rounded_the_other_way():
    exported = helpers.outputs(live())
    exported["boxes"][1] += [0, 1, 0, 0]
    exported["masks"][1, 10:30, 10] = 0  # the column that the box lost
    exported["boxes"][2] += [0, 0, 0.25, 0]
    result = run(live(), exported, rounding_px=1.0)
    assert (result.paired, result.rounded, result.box_px, result.masks_off) == (3, 2, 0, 0)
    result = run(live(), exported)
    assert (result.paired, result.rounded, result.box_px, result.masks_off) == (3, 0, 1, 1)


def test_a_box_may_move_by_a_pixel_of_the_model_input():
    exported = helpers.outputs(live())
    exported["boxes"][0] += [0, 0, 3, 0]
    result = run(live(), exported, rounding_px=3.0)
    assert (result.paired, result.rounded, result.unpaired) == (3, 1, 0)
    result = run(live(), exported)
    assert (result.paired, result.unpaired) == (2, 2)


@pytest.mark.parametrize(("wrong", "off"), [(4, 0), (5, 1)])
def test_mask_tolerance_is_a_share_of_a_large_mask(wrong, off):
    exported = helpers.outputs(live(scores=(0.9,)))
    exported["masks"][0, 0, :wrong] = 0  # 1% of 20 * 20 is 4
    assert run(live(scores=(0.9,)), exported).masks_off == off


@pytest.mark.parametrize(("wrong", "off"), [(2, 0), (3, 1)])
def test_mask_tolerance_of_a_small_mask_is_two_pixels(wrong, off):
    small = helpers.make_detections([[0, 0, 4, 4]], [1], [0.9], size=SIZE)
    exported = helpers.outputs(small)
    exported["masks"][0, 0, :wrong] = 0
    assert run(small, exported).masks_off == off


def test_one_is_paired_only_once():
    both = helpers.make_detections([[0, 0, 20, 20], [0, 1, 20, 20]], [1, 1], [0.9, 0.8], size=SIZE)
    exported = {key: value[:1] for key, value in helpers.outputs(both).items()}
    result = run(both, exported)
    assert (result.paired, result.unpaired) == (1, 1)


def test_order_does_not_matter():
    exported = {key: value[[2, 0, 1]] for key, value in helpers.outputs(live()).items()}
    result = run(live(), exported)
    assert (result.paired, result.box_px, result.score, result.mask_pixels) == (3, 0, 0, 0)


def test_nearest_of_two_neighbours_is_paired():
    both = helpers.make_detections([[0, 0, 20, 20], [0, 1, 20, 20]], [1, 1], [0.9, 0.8], size=SIZE)
    exported = {key: value[::-1] for key, value in helpers.outputs(both).items()}
    result = run(both, exported)
    assert (result.paired, result.box_px) == (2, 0)


def test_another_class_or_place_is_no_pair():
    exported = helpers.outputs(live())
    exported["class_ids"][0] = 2
    exported["boxes"][1] += 1.5
    result = run(live(), exported)
    assert (result.paired, result.unpaired, result.borderline) == (1, 4, 0)
    assert result.box_px == 0


def test_missing_one():
    fewer = {key: value[:2] for key, value in helpers.outputs(live()).items()}
    assert run(live(), fewer).unpaired == 1
    more = run(live(scores=(0.9, 0.8)), helpers.outputs(live()))
    assert (more.live, more.exported, more.unpaired) == (2, 3, 1)


def test_missing_one_at_the_threshold_is_borderline():
    fewer = {key: value[:2] for key, value in helpers.outputs(live()).items()}
    near = live(scores=(0.9, 0.8, 0.7005))
    result = run(near, fewer)
    assert (result.borderline, result.unpaired) == (1, 0)
    assert run(live(scores=(0.9, 0.8, 0.702)), fewer).unpaired == 1


def test_exchange_at_the_end_of_a_full_list_is_borderline():
    exported = helpers.outputs(live())
    exported["boxes"][2] += 5  # another object made it into the list, with a score as low
    full = run(live(), exported, most=3)
    assert (full.borderline, full.unpaired) == (2, 0)
    assert run(live(), exported, most=4).unpaired == 2


@pytest.mark.parametrize("key", ["boxes", "class_ids", "masks"])
def test_outputs_of_a_wrong_shape(key):
    exported = helpers.outputs(live())
    exported[key] = exported[key][:, None] if key == "class_ids" else exported[key][:, 1:]
    with pytest.raises(ValueError, match=f"the output `{key}` must have the shape"):
        run(live(), exported)
