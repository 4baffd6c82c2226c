import math

import numpy as np
import pytest

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.evaluate import keypoints, table
from mrcnn.evaluate.keypoints import KeypointEvaluator
from mrcnn.fields.keypoints import Keypoints
from mrcnn.structures import Detections, GroundTruth, Instances

SIDE = 100  # of the object's square mask
SIGMA = 0.1
# OKS of one point at a distance d: exp(-d^2 / (2 * 100^2 * (2 * 0.1)^2)); 0.72 passes 0.5, 0.55, 0.6, 0.65 and 0.7
FIVE_OF_TEN = math.sqrt(-math.log(0.72) * 2 * SIDE**2 * (2 * SIGMA) ** 2)


def truth(*points, class_ids=None, ignore=None, masks=None):
    count = len(points)
    return GroundTruth(
        200, 200,
        Instances(
            boxes=np.tile(np.array([0, 0, SIDE, SIDE], np.float32), (count, 1)),
            class_ids=np.array(class_ids or [1] * count, np.int32),
            masks=masks or (np.ones((SIDE, SIDE), bool),) * count,
            ignore=np.array(ignore or [False] * count),
            extras={"keypoints": np.array(points, np.float32).reshape(count, *np.shape(points)[1:] or (1, 3))},
        ),
    )  # fmt: skip


def found(*points, class_ids=None):
    count = len(points)
    return Detections(
        boxes=np.zeros((count, 4), np.float32),
        class_ids=np.array(class_ids or [1] * count, np.int32),
        class_names=("cat",) * count,
        scores=np.linspace(0.9, 0.5, count, dtype=np.float32),
        masks=np.zeros((count, 200, 200), bool),
        extras={"keypoints": np.array(points, np.float32).reshape(count, *np.shape(points)[1:] or (1, 3))},
    )


def result(*pairs, points=1, classes=2):
    evaluator = KeypointEvaluator(classes, sigmas=[SIGMA] * points)
    for number, pair in enumerate(pairs):
        evaluator.add(number, *pair)
    return evaluator.result()


def test_result_is_one_for_equal_points_and_zero_far_away():
    assert result((truth([[50, 50, 2]]), found([[50, 50, 0.3]])))["keypoint_ap"] == pytest.approx(1.0)
    assert result((truth([[50, 50, 2]]), found([[500, 50, 0.3]])))["keypoint_ap"] == 0.0


def test_result_counts_the_thresholds_that_oks_passes():
    values = result((truth([[50, 50, 1]]), found([[50 + FIVE_OF_TEN, 50, 0.9]])))
    assert values["keypoint_ap"] == pytest.approx(0.5)
    assert (values["keypoint_ap50"], values["keypoint_ap75"]) == (pytest.approx(1.0), 0.0)
    assert values["keypoint_ap_large"] == pytest.approx(0.5)  # 100^2 is more than 96^2
    assert math.isnan(values["keypoint_ap_medium"])


def test_result_leaves_points_out_that_are_not_annotated():
    values = result((truth([[50, 50, 2], [0, 0, 0]]), found([[50, 50, 0.9], [190, 190, 0.9]])), points=2)
    assert values["keypoint_ap"] == pytest.approx(1.0)


def test_result_ignores_objects_without_points_and_crowds():
    points = [[50, 50, 2]], [[0, 0, 0]], [[90, 90, 2]]
    values = result((truth(*points, ignore=[False, False, True]), found([[50, 50, 0.9]])))
    assert values["keypoint_ap"] == pytest.approx(1.0)
    assert math.isnan(result((truth([[0, 0, 0]]), found([[50, 50, 0.9]])))["keypoint_ap"])


def test_result_by_class_and_without_images_or_detections():
    pair = truth([[50, 50, 2]], [[50, 50, 2]], class_ids=[1, 2]), found([[50, 50, 0.9]], class_ids=[2])
    values = result(pair, classes=4)
    assert [values["per_class"][class_id]["keypoint_ap"] for class_id in (1, 2)] == [0.0, pytest.approx(1.0)]
    assert math.isnan(values["per_class"][3]["keypoint_ap"])
    assert values["keypoint_ap"] == pytest.approx(0.5)
    assert math.isnan(result()["keypoint_ap"])
    assert result((truth([[50, 50, 2]]), found()))["keypoint_ap"] == 0.0
    assert result((truth([[50, 50, 2]]), found([[50, 50, 0]])))["keypoint_ap"] == 0.0  # a detection without points


def test_add_takes_a_share_of_the_box_where_the_mask_is_no_more_than_the_points():
    dots = np.zeros((SIDE, SIDE), bool)
    dots[50, 50] = True
    # with the whole box the same distance would be 0.72; the area is 0.53 of it: 0.72 ** (1 / 0.53) = 0.538
    values = result((truth([[50, 50, 1]], masks=(dots,)), found([[50 + FIVE_OF_TEN, 50, 0.9]])))
    assert values["keypoint_ap"] == pytest.approx(0.1)


def test_kind_uses_the_sigmas_of_the_models_template():
    template = KeypointTemplate(names=("nose",), sigmas=(0.3,))
    fields = {"keypoints": Keypoints().of_model(template)}
    assert keypoints.KIND in table.kinds_for(fields)
    assert keypoints.KIND not in table.kinds_for(())
    metric = keypoints.KIND.make(("bg", "cat"), max_detections=100, class_facts={}, fields=fields)
    assert (metric.sigmas, metric.num_classes, metric.max_detections) == ((0.3,), 2, 20)
    metric = keypoints.KIND.make(("bg", "cat"), max_detections=101, class_facts={}, fields=fields)
    assert metric.max_detections == 101
    with pytest.raises(ValueError, match="needs the field `keypoints` of a model"):
        keypoints.KIND.make(("bg", "cat"), max_detections=100, class_facts={}, fields={"keypoints": Keypoints()})
