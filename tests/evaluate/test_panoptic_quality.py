"""Panoptic quality and mean IoU: worked numbers, each rule on a row of pixels."""

import math

import numpy as np
import pytest

from mrcnn.evaluate.panoptic_quality import MeanIou, PanopticQuality, Part

CAT, DOG = Part(0), Part(1)
CATS = Part(0, is_crowd=True)


def row(text):
    return np.array([[int(pixel) for pixel in text]])


def quality(*images, categories=(0, 1)):
    """Computes the quality of images (annotated ids and segments, predicted ids and segments)."""
    counted = PanopticQuality(2)
    for true_ids, truth, ids, found in images:
        counted.add(row(true_ids), truth, ids=row(ids), found=found)
    return counted.of(categories)


def test_quality_of_two_classes():
    # cat: 4 of 5 pixels, no further ones: IoU 4/5, a match: SQ .8, RQ 1, PQ .8
    # dog: one missed, one false: SQ 0, RQ 0, PQ 0. The means are .4, .4, .5
    found = quality(("1111100222", [CAT, DOG], "1111022000", [CAT, DOG]))
    assert found == pytest.approx((0.4, 0.4, 0.5))


def test_quality_is_the_product_of_the_mean_iou_and_the_f1_score():
    # two matches with IoU 1 and 3/4, one missed, no false one: SQ .875, RQ 2 / 2.5 = .8, PQ .7
    found = quality(("1112222333", [CAT, CAT, CAT], "1112220000", [CAT, CAT]), categories=[0])
    assert found == pytest.approx((0.7, 0.875, 0.8))


@pytest.mark.parametrize(("ids", "pq"), [("1111000", 0.0), ("1111100", 0.625)])
def test_an_iou_of_one_half_is_no_match(ids, pq):
    # 8 pixels, of which 4 (IoU 1/2) or 5 (IoU 5/8) are found
    assert quality(("11111111", [CAT], f"{ids}0", [CAT]), categories=[0]).pq == pytest.approx(pq)


def test_segments_of_other_classes_do_not_match():
    assert quality(("1111", [CAT], "1111", [DOG])) == (0.0, 0.0, 0.0)


def test_void_pixels_do_not_count_in_the_union():
    # the prediction has 4 pixels of the object and 3 void ones: IoU 4/4
    assert quality(("1111000", [CAT], "1111111", [CAT]), categories=[0]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("true_ids", "ids", "rq"),
    [
        ("1100220000", "1100222220", 1.0),  # 3 of the 5 pixels of the second prediction are void
        ("1102220000", "1102222220", 2 / 3),  # 3 of 6, not more than half: a false one, 1 / (1 + 1/2)
    ],
)
def test_a_prediction_that_is_mostly_void_is_no_error(true_ids, ids, rq):
    assert quality((true_ids, [CAT, DOG], ids, [CAT, CAT]), categories=[0]).rq == pytest.approx(rq)


def test_a_prediction_in_a_group_of_its_class_is_no_error():
    # 3 of its 4 pixels are in the group; the group itself is not missed
    assert math.isnan(quality(("1112", [CATS, DOG], "1111", [CAT]), categories=[0]).pq)
    # of another class it is an error: 0 matches, 1 false one
    assert quality(("1112", [CATS, CAT], "1111", [DOG]), categories=[1]).rq == 0.0


def test_several_groups_of_a_class_excuse_together():
    # 2 of 5 pixels in each of two groups
    assert math.isnan(quality(("11223", [CATS, CATS, DOG], "11111", [CAT]), categories=[0]).pq)


def test_classes_without_segments_are_left_out():
    assert quality(("11", [CAT], "11", [CAT])) == (1.0, 1.0, 1.0)
    assert all(map(math.isnan, quality(("00", [], "00", []))))
    assert all(map(math.isnan, quality()))


def test_segments_without_a_pixel_are_left_out():
    counted = PanopticQuality(2)
    counted.add(row("11"), [CAT, DOG], ids=row("11"), found=[CAT, DOG])
    assert counted.of([0, 1]) == (1.0, 1.0, 1.0)
    assert (counted.objects.tolist(), counted.found.tolist()) == ([1, 0], [1, 0])


def test_counts_add_up_over_images():
    # a match of IoU 1 in one image, a missed and a false one in the other: RQ 1 / (1 + 1/2 + 1/2)
    both = quality(("11", [CAT], "11", [CAT]), ("1100", [CAT], "0011", [CAT]), categories=[0])
    # the two pixels of the false prediction are void, so that it does not count: 1 / (1 + 1/2)
    assert both.rq == pytest.approx(2 / 3)


def test_maps_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match=r"size \(1, 2\), got \(1, 3\)"):
        PanopticQuality(2).add(row("11"), [CAT], ids=row("111"), found=[CAT])
    with pytest.raises(ValueError, match=r"size \(1, 2\), got \(1, 3\)"):
        MeanIou(2).add(row("11"), row("111"), unlabelled=9)


def test_mean_iou():
    counted = MeanIou(3)
    counted.add(row("00011199"), row("00111022"), unlabelled=9)
    mean, values = counted.result()
    # class 0: 2 in both, 3 + 3 - 2 in either; class 1: 2 in both, 3 + 3 - 2 in either; class 2 is not annotated
    np.testing.assert_allclose(values, [2 / 4, 2 / 4, np.nan])
    assert mean == pytest.approx(0.5)


def test_mean_iou_counts_false_pixels_of_classes_that_are_not_annotated_only_in_the_others():
    counted = MeanIou(3)
    counted.add(row("0001"), row("0022"), unlabelled=9)
    assert counted.result()[0] == pytest.approx((2 / 3 + 0) / 2)


def test_mean_iou_of_nothing_is_nan():
    counted = MeanIou(2)
    counted.add(row("99"), row("01"), unlabelled=9)
    mean, values = counted.result()
    assert math.isnan(mean)
    assert np.isnan(values).all()
