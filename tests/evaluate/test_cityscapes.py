"""Cityscapes' instance AP: worked cases of its rules."""

import math

import numpy as np
import pytest

from mrcnn.data.formats.cityscapes import CLASS_ID, VOID
from mrcnn.evaluate import cityscapes, coco, table
from mrcnn.structures import Detections, GroundTruth, Instances

SIDE = 64
NAMES = ("bg", "car", "person", "caravan")
FACTS = {"car": {CLASS_ID: 26}, "person": {CLASS_ID: 24}, "caravan": {CLASS_ID: 29}}
CAR, PERSON, CARAVAN = 1, 2, 3
HERE, THERE = [0, 0, 20, 20], [30, 30, 50, 50]  # 400 pixels each


def truth(*objects, groups=(), void=None):
    """Makes an image with objects and groups (box, class id) that fill their boxes."""
    items = [*objects, *groups]
    boxes = np.array([box for box, _ in items], "float32").reshape(-1, 4)
    masks = tuple(np.ones((int(y2 - y1), int(x2 - x1)), bool) for y1, x1, y2, x2 in boxes)
    facts = {} if void is None else {VOID: coco.encode_masks([void])[0]}
    ids = np.array([class_id for _, class_id in items], "int32")
    ignore = np.array([index >= len(objects) for index in range(len(items))], bool)
    return GroundTruth(SIDE, SIDE, Instances(boxes, ids, masks, ignore, facts=facts))


def found(*items):
    boxes = np.array([box for box, _, _ in items], "float32").reshape(-1, 4)
    masks = np.zeros((len(items), SIDE, SIDE), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    ids = np.array([class_id for _, class_id, _ in items], "int32")
    return Detections(boxes, ids, tuple(NAMES[i] for i in ids), np.float32([score for *_, score in items]), masks)


def score(*images):
    evaluator = cityscapes.CityscapesEvaluator(NAMES, max_detections=100, class_facts=FACTS)
    for image_id, (ground_truth, detections) in enumerate(images):
        evaluator.add(image_id, ground_truth, detections)
    return evaluator.result()


def test_cityscapes_evaluator_of_exact_detections_is_one():
    result = score((truth((HERE, CAR), (THERE, CAR)), found((HERE, CAR, 0.9), (THERE, CAR, 0.8))))
    assert (result["cityscapes_ap"], result["cityscapes_ap50"]) == (1.0, 1.0)
    assert math.isnan(result["per_class"][PERSON]["cityscapes_ap"])
    assert set(result["per_class"]) == {CAR, PERSON}  # caravans are not evaluated


def test_cityscapes_evaluator_integrates_precision_by_steps():
    # by score: right, wrong, right. Recall 1/2, 1/2, 1; precision 1, 1/2, 2/3; the curve begins at recall 0 with 1.
    # half-way widths: (1/2 - 0) / 2, (1/2 - 0) / 2, (1 - 1/2) / 2, (1 - 1/2) / 2
    expected = 1 / 4 + 1 / 4 + 1 / 2 * 1 / 4 + 2 / 3 * 1 / 4
    wrong = ([0, 40, 20, 60], CAR, 0.8)
    result = score((truth((HERE, CAR), (THERE, CAR)), found((HERE, CAR, 0.9), wrong, (THERE, CAR, 0.7))))
    assert result["cityscapes_ap50"] == pytest.approx(expected)
    assert result["cityscapes_ap"] == pytest.approx(expected)
    # equal scores are one point: precision 2/3 at recall 1, and from recall 0 on
    same = found((HERE, CAR, 0.5), ([0, 40, 20, 60], CAR, 0.5), (THERE, CAR, 0.5))
    assert score((truth((HERE, CAR), (THERE, CAR)), same))["cityscapes_ap"] == pytest.approx(2 / 3)


def test_cityscapes_evaluator_needs_more_than_the_overlap():
    # 400 pixels, of which a detection has 12 of 20 rows: IoU 0.6, which is more than 0.5 and 0.55 of the ten overlaps
    # (0.6 itself is 0.6000000000000001 among them)
    result = score((truth((HERE, CAR)), found(([0, 0, 12, 20], CAR, 0.9))))
    assert (result["cityscapes_ap50"], result["cityscapes_ap"]) == (1.0, pytest.approx(0.2))
    # exactly a half is not enough
    assert score((truth((HERE, CAR)), found(([0, 0, 10, 20], CAR, 0.9))))["cityscapes_ap50"] == 0.0


def test_cityscapes_evaluator_counts_the_best_of_several_detections_of_an_object():
    # 0.9 is wrong, since 0.95 has the object: the second of two
    result = score((truth((HERE, CAR)), found((HERE, CAR, 0.9), ([0, 0, 19, 20], CAR, 0.95))))
    # precision 1 and 1/2 at recall 1 and 1: widths (1 - 0) / 2, (1 - 0) / 2 and 0
    assert result["cityscapes_ap50"] == pytest.approx(1.0)
    # with the object missed by the better one it is: precision 0 and 1/2 at recall 0 and 1, from recall 0 on 0
    result = score((truth((HERE, CAR)), found((HERE, CAR, 0.9), (THERE, CAR, 0.95))))
    assert result["cityscapes_ap50"] == pytest.approx(0.5 * 0.5)


@pytest.mark.parametrize("kind", ["group", "small", "void", "neutral", "other"])
@pytest.mark.parametrize(("rows", "ignored"), [(11, True), (10, False)])
def test_cityscapes_evaluator_ignores_what_lies_mostly_in_groups_void_and_small_objects(kind, rows, ignored):
    # a detection of 8 x 20 pixels, of which `rows` of 20 columns are in the region: 11/20 is more than a half
    region, wrong = [30, 30, 38, 30 + rows], ([30, 30, 38, 50], CAR, 0.95)
    void = np.zeros((SIDE, SIDE), bool)
    void[30:38, 30 : 30 + rows] = True
    image = {
        "group": truth((HERE, CAR), groups=[(region, CAR), ([60, 0, 64, 60], CAR)]),
        "small": truth((HERE, CAR), (region, CAR)),  # less than 100 pixels
        "void": truth((HERE, CAR), void=void),
        "neutral": truth((HERE, CAR), groups=[(region, 0)]),
        "other": truth((HERE, CAR), groups=[(region, PERSON)]),
    }[kind]
    if kind == "group" and rows == 10:  # a small group counts twice, as in the source
        ignored = True
    ap = score((image, found(wrong, (HERE, CAR, 0.9))))["cityscapes_ap50"]
    if kind in ("small", "group") and rows == 11:  # IoU 88 / 160 = 0.55: a match, so no false positive
        ignored = True
    assert ap == pytest.approx(1.0 if ignored and kind != "other" else 0.25)


def test_cityscapes_evaluator_without_images_objects_or_detections():
    assert math.isnan(score()["cityscapes_ap"])
    assert math.isnan(score((truth(), found((HERE, CAR, 0.9))))["cityscapes_ap"])
    assert score((truth((HERE, CAR)), found()))["cityscapes_ap"] == 0.0
    # a detection that does not count is as none
    assert score((truth((HERE, CAR), groups=[(THERE, CAR)]), found((THERE, CAR, 0.9))))["cityscapes_ap"] == 0.0
    assert math.isnan(score((truth((HERE, CARAVAN)), found((HERE, CARAVAN, 0.9))))["cityscapes_ap"])


def test_cityscapes_evaluator_reads_encoded_masks():
    image, detections = truth((HERE, CAR)), found((HERE, CAR, 0.9))
    encoded = detections._replace(masks=coco.encode_masks(detections.masks))
    assert score((image, encoded))["cityscapes_ap"] == 1.0


def test_fits_needs_the_classes_of_cityscapes():
    assert cityscapes.fits(FACTS)
    assert not cityscapes.fits({"car": {"id": 26}})
    assert cityscapes.KIND in table.kinds_for((), FACTS)
    assert cityscapes.KIND not in table.kinds_for((), {"car": {}})
