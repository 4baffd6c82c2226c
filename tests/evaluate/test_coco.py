"""COCO AP: the reference case, perfect and empty predictions, ignore regions, and what is refused."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from faster_coco_eval.core import mask as rle_tools

from mrcnn.evaluate import coco
from mrcnn.structures import Detections, GroundTruth, Instances

CASE = Path(__file__).with_name("coco_eval.json")
HEIGHT, WIDTH = 60, 80


def make_instances(boxes, class_ids, ignore=None):
    """Makes objects that fill their boxes."""
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    masks = tuple(np.ones((int(y2 - y1), int(x2 - x1)), dtype=bool) for y1, x1, y2, x2 in boxes)
    ignore = np.zeros(len(boxes), dtype=bool) if ignore is None else np.asarray(ignore, dtype=bool)
    return Instances(boxes, np.asarray(class_ids, dtype=np.int32), masks, ignore)


def make_detections(boxes, class_ids, scores, size=(HEIGHT, WIDTH)):
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    masks = np.zeros((len(boxes), *size), dtype=bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    names = tuple(f"class {class_id}" for class_id in class_ids)
    return Detections(boxes, np.asarray(class_ids, dtype=np.int32), names, np.asarray(scores, np.float32), masks)


def score(instances, detections, num_classes=3):
    evaluator = coco.CocoEvaluator(num_classes)
    evaluator.add(0, GroundTruth(HEIGHT, WIDTH, instances), detections)
    return evaluator.result()


def reference_evaluator(case):
    class_of = {category: index for index, category in enumerate(case["categories"], start=1)}
    evaluator = coco.CocoEvaluator(num_classes=4)
    for image in case["images"]:
        size = (image["height"], image["width"])
        boxes, masks, objects = [], [], []
        for item in case["annotations"]:
            if item["image_id"] != image["id"]:
                continue
            x, y, width, height = item["bbox"]
            boxes.append([y, x, y + height, x + width])
            y1, x1, y2, x2 = (int(side) for side in boxes[-1])
            full = rle_tools.decode(rle_tools.segmToRle(item["segmentation"], image["width"], image["height"]))
            masks.append(full[y1:y2, x1:x2].astype(bool))
            objects.append(item)
        instances = Instances(
            np.array(boxes, dtype=np.float64).reshape(-1, 4),
            np.array([class_of[item["category_id"]] for item in objects], dtype=np.int32),
            tuple(masks),
            np.array([item["iscrowd"] == 1 for item in objects], dtype=bool),
        )
        found = [item for item in case["detections"] if item["image_id"] == image["id"]]
        xywh = np.array([item["bbox"] for item in found], dtype=np.float64).reshape(-1, 4)
        detections = SimpleNamespace(
            boxes=np.stack([xywh[:, 1], xywh[:, 0], xywh[:, 1] + xywh[:, 3], xywh[:, 0] + xywh[:, 2]], axis=1),
            class_ids=[class_of[item["category_id"]] for item in found],
            scores=[item["score"] for item in found],
            masks=[item["segmentation"] for item in found],
        )
        evaluator.add(image["id"], GroundTruth(*size, instances), detections)
    return evaluator


@pytest.mark.parametrize(("kind", "reference"), [("box", "bbox"), ("mask", "segm")])
def test_coco_evaluator_reference_case(kind, reference):
    case = json.loads(CASE.read_text())
    expected = case["expected"][reference]
    result = reference_evaluator(case).result()
    names = {"AP": "", "AP50": "50", "AP75": "75", "APs": "_small", "APm": "_medium", "APl": "_large"}
    for name, suffix in names.items():
        assert result[f"{kind}_ap{suffix}"] == pytest.approx(expected[name], abs=1e-6), name
    for class_id, value in enumerate(expected["per_category_AP"], start=1):
        assert result["per_class"][class_id][f"{kind}_ap"] == pytest.approx(value, abs=1e-6)


def test_coco_evaluator_result_can_be_asked_twice():
    evaluator = reference_evaluator(json.loads(CASE.read_text()))
    first = evaluator.result()
    assert str(evaluator.result()) == str(first)  # str: NaN equals itself


def test_coco_evaluator_per_class_counts_leave_the_crowd_out():
    per_class = reference_evaluator(json.loads(CASE.read_text())).result()["per_class"]
    assert [values["objects"] for values in per_class.values()] == [6, 3, 3]  # 13 annotations, one of them a crowd
    assert [values["detections"] for values in per_class.values()] == [11, 5, 5]


def test_coco_evaluator_perfect_predictions_score_one_and_unseen_classes_nothing():
    boxes = [[0, 0, 10, 20], [30, 40, 60, 80]]
    result = score(make_instances(boxes, [1, 1]), make_detections(boxes, [1, 1], [0.9, 0.8]))
    assert result["box_ap"] == result["mask_ap"] == result["box_ap75"] == result["mask_ap50"] == 1.0
    assert result["box_ap_small"] == 1.0  # 200 pixels
    assert result["box_ap_medium"] == 1.0  # 1200 pixels
    assert math.isnan(result["box_ap_large"])
    assert math.isnan(result["per_class"][2]["mask_ap"])


def test_coco_evaluator_no_detection_scores_zero():
    result = score(make_instances([[0, 0, 10, 10]], [1]), make_detections([], [], []))
    assert result["box_ap"] == result["mask_ap50"] == 0.0


def test_coco_evaluator_no_object_has_no_score():
    result = score(make_instances([], []), make_detections([[0, 0, 5, 5]], [1], [0.9]))
    assert math.isnan(result["box_ap"])
    assert math.isnan(result["mask_ap50"])


def test_coco_evaluator_no_image_has_no_score():
    result = coco.CocoEvaluator(2).result()
    assert math.isnan(result["box_ap"])
    assert result["per_class"][1]["objects"] == 0


def test_coco_evaluator_half_covered_object_counts_at_iou_one_half_only():
    # 10 x 10 object; the mask covers its upper 5 rows, the box 5.4: IoU 0.5 and 0.54 pass 1 of the 10 thresholds.
    result = score(make_instances([[0, 0, 10, 10]], [1]), make_detections([[0, 0, 5.4, 10]], [1], [0.9]))
    assert result["box_ap50"] == result["mask_ap50"] == 1.0
    assert result["box_ap75"] == 0.0
    assert result["mask_ap"] == result["box_ap"] == pytest.approx(0.1)


def test_coco_evaluator_box_and_mask_are_scored_separately():
    boxes = [[0, 0, 10, 10]]
    found = make_detections(boxes, [1], [0.9])
    found.masks[:, :, 4:] = False  # 4 of 10 columns stay: mask IoU 0.4, box IoU 1
    result = score(make_instances(boxes, [1]), found)
    assert result["box_ap"] == 1.0
    assert result["mask_ap50"] == 0.0


def test_coco_evaluator_false_alarm_with_the_best_score_halves_the_precision():
    boxes = [[0, 0, 10, 10]]
    found = make_detections([[20, 20, 30, 30], *boxes], [1, 1], [0.9, 0.8])
    assert score(make_instances(boxes, [1]), found)["box_ap"] == pytest.approx(0.5)  # 1 of the 2 best is right


@pytest.mark.parametrize("class_id", [0, 1, 2])
def test_coco_evaluator_ignore_region_excuses_detections_inside_it(class_id):
    objects = make_instances(
        [[0, 0, 10, 10], [0, 40, 10, 50], [20, 20, 50, 60]], [1, 2, class_id], [False, False, True]
    )
    found = make_detections(
        [[0, 0, 10, 10], [0, 40, 10, 50], [30, 30, 40, 40], [30, 30, 40, 40]], [1, 2, 1, 2], [0.8, 0.8, 0.9, 0.9]
    )
    result = score(objects, found)
    # without an ignore region a class has one false alarm ahead of its hit: AP one half
    expected = {0: (1.0, 1.0), 1: (1.0, 0.5), 2: (0.5, 1.0)}[class_id]
    assert tuple(result["per_class"][c]["mask_ap"] for c in (1, 2)) == pytest.approx(expected)
    assert tuple(result["per_class"][c]["box_ap"] for c in (1, 2)) == pytest.approx(expected)
    assert [result["per_class"][c]["objects"] for c in (1, 2)] == [1, 1]


def test_coco_evaluator_best_detections_count_up_to_the_limit():
    boxes = [[y, x, y + 4, x + 4] for y in range(0, 60, 5) for x in range(0, 80, 5)][:120]
    scores = np.linspace(1, 0.1, 120)
    usual, more = (coco.CocoEvaluator(2, max_detections=limit) for limit in (100, 200))
    for evaluator in (usual, more):
        evaluator.add(
            0, GroundTruth(HEIGHT, WIDTH, make_instances(boxes, [1] * 120)), make_detections(boxes, [1] * 120, scores)
        )
    # 100 of 120 found: recall reaches 0.8333, so 84 of the 101 recall points 0.00 ... 0.83 have precision 1
    assert usual.result()["box_ap"] == pytest.approx(84 / 101)
    assert more.result()["box_ap"] == 1.0


@pytest.mark.parametrize("size", [(7, 5), (1, 9), (9, 1), (1, 1), (40, 30)])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_encode_masks_equals_the_librarys_own_encoding(size, share):
    masks = np.random.default_rng(0).random((3, *size)) < share
    encoded = coco.encode_masks(masks)
    assert json.loads(json.dumps(encoded)) == encoded
    for run, mask in zip(encoded, masks, strict=True):
        expected = rle_tools.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert run == {"size": list(size), "counts": expected["counts"].decode()}
    np.testing.assert_array_equal(rle_tools.decode(encoded).transpose(2, 0, 1).astype(bool), masks)


def test_encode_masks_worked_example():
    # column by column: 1 clear, 1 set | 2 set -> runs 1, 3; characters are 48 + run: "1", "3"
    assert coco.encode_masks([np.array([[0, 1], [1, 1]], dtype=bool)]) == [{"size": [2, 2], "counts": "13"}]


def test_encode_masks_empty():
    assert coco.encode_masks(np.zeros((0, 4, 4), dtype=bool)) == []


def test_encoded_masks_score_like_arrays():
    boxes = [[0, 0, 10, 20]]
    found = make_detections(boxes, [1], [0.9])
    encoded = found._replace(masks=coco.encode_masks(found.masks))
    assert score(make_instances(boxes, [1]), encoded)["mask_ap"] == 1.0


def test_nothing_is_printed(capfd):
    boxes = [[0, 0, 10, 20]]
    score(make_instances(boxes, [1]), make_detections(boxes, [1], [0.9]))
    assert capfd.readouterr() == ("", "")


def test_refused():
    none, one = make_instances([], []), make_instances([[0, 0, 5, 5]], [1])
    evaluator = coco.CocoEvaluator(2)
    with pytest.raises(ValueError, match="at least 2"):
        coco.CocoEvaluator(1)
    with pytest.raises(ValueError, match="max_detections"):
        coco.CocoEvaluator(2, max_detections=0)
    with pytest.raises(ValueError, match=r"detection must be in 1\.\.1, got 2"):
        evaluator.add(0, GroundTruth(HEIGHT, WIDTH, none), make_detections([[0, 0, 5, 5]], [2], [0.5]))
    with pytest.raises(ValueError, match=r"object must be in 1\.\.1, got 0"):
        evaluator.add(0, GroundTruth(HEIGHT, WIDTH, make_instances([[0, 0, 5, 5]], [0])), make_detections([], [], []))
    with pytest.raises(ValueError, match=r"\(60, 80\) pixels .* mask \(60, 81\)"):
        evaluator.add(0, GroundTruth(HEIGHT, WIDTH, one), make_detections([[0, 0, 5, 5]], [1], [0.5], size=(60, 81)))
    evaluator.add(0, GroundTruth(HEIGHT, WIDTH, one), make_detections([], [], []))  # nothing of the refused ones stayed
    with pytest.raises(ValueError, match="image 0 was added before"):
        evaluator.add(0, GroundTruth(HEIGHT, WIDTH, one), make_detections([], [], []))
