import math

import numpy as np
import pytest

from mrcnn.errors import UserError
from mrcnn.evaluate import groups
from mrcnn.evaluate.coco import CocoEvaluator
from mrcnn.structures import Detections, GroundTruth, Instances

NAMES = ("bg", "cat", "dog", "owl")


@pytest.mark.parametrize(
    ("mask_classes", "expected"),
    [
        (None, {}),
        (("owl", "cat"), {"seen": ("cat", "owl"), "unseen": ("dog",)}),
        (NAMES[1:], {}),
        ((), {}),
        (("fox",), {}),
    ],
)
def test_of_training_splits_the_classes_in_two(mask_classes, expected):
    assert groups.of_training(mask_classes, NAMES) == expected


def test_check_refuses_a_class_that_the_model_lacks():
    groups.check({"pets": ["cat", "dog"]}, NAMES)
    for title in ("owk", "bg"):
        with pytest.raises(UserError, match=rf"^the group 'birds' must list classes of the model, got \"{title}\""):
            groups.check({"birds": ["owl", title]}, NAMES)


def test_averages_adds_counts_and_leaves_out_what_has_no_value():
    per_class = {
        "cat": {"objects": 2, "detections": 5, "mask_ap": 0.5, "box_ap": 1.0},
        "dog": {"objects": 1, "detections": 0, "mask_ap": 0.25, "box_ap": math.nan},
        "owl": {"objects": 0, "detections": 3, "mask_ap": math.nan, "box_ap": math.nan},
    }
    found = groups.averages(per_class, {"pets": ("cat", "dog"), "birds": ("owl", "fox"), "none": ()})
    assert found["pets"] == {"objects": 3, "detections": 5, "mask_ap": 0.375, "box_ap": 1.0}
    assert found["birds"]["detections"] == 3
    assert math.isnan(found["birds"]["mask_ap"])
    assert found["none"] == {}


def test_averages_of_all_classes_are_cocos_own():
    random, evaluator = np.random.default_rng(0), CocoEvaluator(4)
    for image in range(6):
        corners = random.integers(0, 20, (5, 2))
        boxes = np.concatenate([corners, corners + random.integers(4, 12, (5, 2))], axis=1).astype("float32")
        masks = np.zeros((5, 32, 32), bool)
        for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True):
            mask[y1:y2, x1:x2] = True
        crops = tuple(mask[y1:y2, x1:x2] for mask, (y1, x1, y2, x2) in zip(masks, boxes.astype(int), strict=True))
        class_ids = random.integers(1, 3, 5).astype("int32")  # none of the third class
        truth = GroundTruth(32, 32, Instances(boxes, class_ids, crops, np.zeros(5, bool)))
        found = Detections(
            boxes + random.integers(-1, 2, (5, 4)),
            class_ids,
            ("x",) * 5,
            random.uniform(size=5).astype("float32"),
            masks,
        )
        evaluator.add(image, truth, found)
    result = evaluator.result()
    per_class = dict(zip(NAMES[1:], result.pop("per_class").values(), strict=True))
    found = groups.averages(per_class, {"all": NAMES[1:]})["all"]
    assert 0 < result["box_ap"] < 1
    for name in ("box_ap", "box_ap50", "mask_ap", "mask_ap75", "mask_ap_small"):
        assert found[name] == pytest.approx(result[name], rel=1e-12)


def test_of_frequency_groups_the_classes_of_the_model_by_their_numbers_of_images():
    facts = {"cat": {"frequency": "f"}, "owl": {"frequency": "r"}, "fox": {"frequency": "r"}, "dog": {"id": 1}}
    assert groups.of_frequency(facts, NAMES) == {"rare": ("owl",), "frequent": ("cat",)}
    assert groups.of_frequency({}, NAMES) == {}
