"""LVIS AP: worked cases of its rules, and a plain implementation of them on random images."""

import math

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.evaluate import coco, lvis, table
from mrcnn.structures import Detections, GroundTruth, Instances

SIDE = 40
NAMES = ("bg", "apple", "bun", "cup", "dill")
FACTS = {
    "apple": {"id": 10, "frequency": "f"},
    "bun": {"id": 20, "frequency": "r"},
    "cup": {"id": 30, "frequency": "c"},
    "dill": {"id": "40", "frequency": "r"},
}
APPLE, BUN, CUP, DILL = 1, 2, 3, 4
HERE, THERE = [0, 0, 10, 10], [20, 20, 30, 30]


def truth(objects, absent=(), unfinished=()):
    """Makes an image with objects (box, class id) that fill their boxes; `absent` and `unfinished` are category ids."""
    boxes = np.array([box for box, _ in objects], "float32").reshape(-1, 4)
    masks = tuple(np.ones((int(y2 - y1), int(x2 - x1)), bool) for y1, x1, y2, x2 in boxes)
    facts = {"neg_category_ids": list(absent), "not_exhaustive_category_ids": list(unfinished)}
    ids = np.array([class_id for _, class_id in objects], "int32")
    return GroundTruth(SIDE, SIDE, Instances(boxes, ids, masks, np.zeros(len(ids), bool), facts=facts))


def found(*items):
    """Makes detections (box, class id, score) whose masks fill their boxes."""
    boxes = np.array([box for box, _, _ in items], "float32").reshape(-1, 4)
    masks = np.zeros((len(items), SIDE, SIDE), bool)
    for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    ids = np.array([class_id for _, class_id, _ in items], "int32")
    return Detections(boxes, ids, tuple(NAMES[i] for i in ids), np.float32([score for *_, score in items]), masks)


def score(*images, names=NAMES):
    evaluator = lvis.LvisEvaluator(names, max_detections=100, class_facts=FACTS)
    for image_id, (ground_truth, detections) in enumerate(images):
        evaluator.add(image_id, ground_truth, detections)
    return evaluator.result()


def test_lvis_evaluator_judges_only_the_classes_that_an_image_is_annotated_for():
    result = score(
        # buns are not annotated here, so the one that is found counts neither way
        (truth([(HERE, APPLE)]), found((HERE, APPLE, 0.9), (THERE, BUN, 0.8))),
        # there are no apples here, so the one that is found is wrong
        (truth([(HERE, BUN)], absent=[10]), found((THERE, APPLE, 0.95), (HERE, BUN, 0.7))),
    )
    # apples: the best of two is wrong, the second right: precision 1/2 at every recall. Buns: the only one is right
    assert result["per_class"][APPLE]["lvis_box_ap"] == pytest.approx(0.5)
    assert result["per_class"][BUN]["lvis_box_ap"] == pytest.approx(1.0)
    assert math.isnan(result["per_class"][CUP]["lvis_box_ap"])  # no object in the set
    for kind in ("box", "mask"):
        names = ("ap", "ap50", "ap75", "ap_rare", "ap_frequent", "ap_small")
        values = [result[f"lvis_{kind}_{name}"] for name in names]
        assert values == pytest.approx([0.75, 0.75, 0.75, 1.0, 0.5, 0.75])
        assert math.isnan(result[f"lvis_{kind}_ap_common"])


@pytest.mark.parametrize(("unfinished", "expected"), [([], 1 / 2), ([10], 1.0), ([20], 1 / 2)])
def test_lvis_evaluator_ignores_what_matches_nothing_where_a_class_is_not_exhaustive(unfinished, expected):
    # the best detection matches nothing: wrong unless further apples may be there; the last is a second one of the same
    image = truth([(HERE, APPLE)], unfinished=unfinished)
    detections = found((THERE, APPLE, 0.9), (HERE, APPLE, 0.8), (HERE, APPLE, 0.7))
    result = score((image, detections))
    # without the rule 1 of the 2 best is right
    assert (result["lvis_box_ap"], result["lvis_mask_ap"]) == pytest.approx((expected, expected))


def test_lvis_evaluator_counts_a_right_detection_of_a_class_that_is_not_exhaustive():
    images = [(truth([(HERE, APPLE), (THERE, APPLE)], unfinished=[10]), found((HERE, APPLE, 0.9)))]
    # one of two objects: precision 1 up to recall 0.5, the first 51 of the 101 recalls 0, 0.01, ... 1
    assert score(*images)["lvis_box_ap"] == pytest.approx(51 / 101)


def test_lvis_evaluator_counts_the_best_300_detections_of_an_image():
    best = [(THERE, BUN, 0.9)] * 299  # of a class that is not judged
    last = (HERE, APPLE, 0.1)
    assert score((truth([(HERE, APPLE)]), found(last, *best)))["lvis_box_ap"] == 1.0
    assert score((truth([(HERE, APPLE)]), found(last, (THERE, BUN, 0.9), *best)))["lvis_box_ap"] == 0.0


def test_lvis_evaluator_compares_category_ids_as_text_and_leaves_out_what_the_model_lacks():
    image = truth([(HERE, DILL)], absent=["10", 99, 30.0])
    detections = found((HERE, DILL, 0.5), (THERE, APPLE, 0.9), (HERE, CUP, 0.9))
    result = score((image, detections), (truth([(HERE, APPLE), (HERE, CUP)]), found((HERE, APPLE, 0.5))))
    # apples: one wrong, then one right; cups: one wrong, one object missed; dill: right
    assert [result["per_class"][index]["lvis_box_ap"] for index in (1, 3, 4)] == pytest.approx([0.5, 0.0, 1.0])
    # a model with dill alone: its class 1
    assert score((truth([(HERE, 1)], absent=[10]), found((HERE, 1, 0.5))), names=("bg", "dill"))["lvis_box_ap"] == 1.0


def test_lvis_evaluator_without_images_objects_or_facts():
    empty = score()
    assert math.isnan(empty["lvis_box_ap"])
    assert math.isnan(empty["lvis_mask_ap_rare"])
    assert set(empty["per_class"][1]) == {
        f"lvis_{kind}_{name}"
        for kind in ("box", "mask")
        for name in ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    }
    image = truth([(HERE, APPLE)])
    bare = image._replace(instances=image.instances._replace(facts={}))
    assert score((bare, found((HERE, APPLE, 0.5), (THERE, BUN, 0.9))))["lvis_box_ap"] == 1.0
    assert score((truth([(HERE, APPLE)], unfinished=[10]), found()))["lvis_box_ap"] == 0.0


@pytest.mark.parametrize("value", [7, "10", [[10]], [None]])
def test_lvis_evaluator_refuses_a_fact_that_is_no_list_of_ids(value):
    image = truth([(HERE, APPLE)])
    image = image._replace(instances=image.instances._replace(facts={"neg_category_ids": value}))
    with pytest.raises(UserError, match=r"^`neg_category_ids` of an image must list category ids, got "):
        score((image, found()))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, False), ({"a": {}}, False), ({"a": {"frequency": "x"}}, False), ({"a": {}, "b": {"frequency": "c"}}, True)],
)
def test_fits_needs_a_frequency_of_lvis(facts, expected):
    assert lvis.fits(facts) == expected
    assert (lvis.KIND in table.kinds_for((), facts)) == expected
    assert lvis.KIND in table.kinds_for((), None)
    assert lvis.KIND not in table.kinds_for(())


def overlap(one, other):
    one, other = np.float64(one), np.float64(other)
    (top, left), (bottom, right) = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = max(bottom - top, 0) * max(right - left, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def plain_ap(images, class_id, category):
    """Computes the AP of a class by LVIS's rules, straight from their text: matches, then precision by recall."""
    thresholds, values, objects = np.linspace(0.5, 0.95, 10), [], 0
    for threshold in thresholds:
        rows, objects = [], 0
        for ground_truth, detections in images:
            instances = ground_truth.instances
            own = [box for box, i in zip(instances.boxes, instances.class_ids, strict=True) if i == class_id]
            objects += len(own)
            unfinished = category in instances.facts["not_exhaustive_category_ids"]
            if not own and not unfinished and category not in instances.facts["neg_category_ids"]:
                continue
            free = set(range(len(own)))
            for index in np.argsort(-detections.scores, kind="stable")[:300]:
                if detections.class_ids[index] != class_id:
                    continue
                near = [(overlap(detections.boxes[index], own[k]), k) for k in sorted(free)]
                best = max(near, key=lambda item: (item[0], item[1]), default=(0.0, -1))
                if best[0] >= threshold:
                    free.remove(best[1])
                if best[0] >= threshold or not unfinished:
                    rows.append((-detections.scores[index], best[0] >= threshold))
        right = np.array([hit for _, hit in sorted(rows, key=lambda row: row[0])], bool)
        if not objects:
            return math.nan
        recall, precision = np.cumsum(right) / objects, np.cumsum(right) / np.arange(1, len(right) + 1)
        at = [precision[recall >= wanted].max(initial=0.0) for wanted in np.linspace(0, 1, 101)]
        values.append(np.mean(at))
    return np.mean(values)


@pytest.mark.parametrize("seed", range(5))
def test_lvis_evaluator_equals_a_plain_implementation_on_random_images(seed):
    random = np.random.default_rng(seed)

    def boxes(count):
        corners = random.integers(0, 22, (count, 2))
        return np.concatenate([corners, corners + random.integers(8, 16, (count, 2))], axis=1)

    images = []
    for _ in range(12):
        own = boxes(5)
        objects = list(zip(own.tolist(), random.integers(1, 4, 5).tolist(), strict=True))
        others = np.concatenate([np.clip(own + random.integers(-2, 3, own.shape), 0, SIDE), boxes(8)])
        items = zip(others.tolist(), random.integers(1, 4, 13).tolist(), random.permutation(13) / 13, strict=True)
        lists = [random.choice([10, 20, 30], random.integers(0, 3), replace=False).tolist() for _ in range(2)]
        images.append((truth(objects, *lists), found(*items)))
    result = score(*images)
    for class_id, category in ((APPLE, 10), (BUN, 20), (CUP, 30)):
        expected = plain_ap(images, class_id, category)
        assert result["per_class"][class_id]["lvis_box_ap"] == pytest.approx(expected, abs=1e-6)
    assert math.isnan(result["per_class"][DILL]["lvis_box_ap"])


def test_many_classes_are_scored_in_parts(monkeypatch):
    images = [
        (truth([(HERE, APPLE), (THERE, CUP)], absent=[20]), found((HERE, APPLE, 0.9), (HERE, BUN, 0.8))),
        (truth([(HERE, BUN)]), found((THERE, BUN, 0.9), (HERE, BUN, 0.5))),
    ]
    whole = score(*images)
    monkeypatch.setattr(coco, "PAIRS", 1)  # one class at a time; the last one has neither objects nor detections
    assert str(score(*images)) == str(whole)
    # buns: two wrong ones score more than the right one; apples are found, cups are not
    assert whole["lvis_box_ap"] == pytest.approx((1 + 1 / 3 + 0) / 3)
