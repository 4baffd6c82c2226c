"""Raw output of one image to its own pixels."""

import numpy as np
import pytest

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.data import resize
from mrcnn.fields.keypoints import Keypoints
from mrcnn.predict import compact, postprocess
from mrcnn.structures import OutputRules, RawDetections

NAMES = ("bg", "cat", "dog")
# A 10 x 20 image in a 40 x 40 input: twice as large, 10 rows of padding above and below.
PLAN = resize.resize_plan(10, 20, min_dim=40, max_dim=40)


def make_raw(boxes, class_ids, scores, *, valid=None, masks=None):
    count = len(boxes)
    return RawDetections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        class_ids=np.array(class_ids, np.int64),
        scores=np.array(scores, np.float32),
        valid=np.ones(count, bool) if valid is None else np.array(valid),
        masks=np.ones((count, 2, 2), np.float32) if masks is None else np.array(masks, np.float32),
    )


def run(raw, **kwargs):
    return postprocess.to_original(raw, PLAN, image_size=(10, 20), class_names=NAMES, **kwargs)


def test_plan_is_as_the_cases_assume():
    assert (PLAN.new_hw, PLAN.pad_top, PLAN.pad_left) == ((20, 40), 10, 0)


def test_boxes_and_masks_in_image_pixels():
    result = run(make_raw([[14, 4, 22, 20]], [2], [0.75]))
    np.testing.assert_array_equal(result.boxes, [[2, 2, 6, 10]])  # rows (14 - 10) / 2 .. (22 - 10) / 2
    assert result.class_names == ("dog",)
    assert result.masks.shape == (1, 10, 20)
    expected = np.zeros((10, 20), bool)
    expected[2:6, 2:10] = True
    np.testing.assert_array_equal(result.masks[0], expected)
    dtypes = [getattr(result, name).dtype for name in ("boxes", "class_ids", "scores", "masks")]
    assert dtypes == [np.float32, np.int32, np.float32, np.bool_]


def test_best_first_and_unused_slots_left_out():
    boxes = [[10, 0, 20, 10]] * 4
    result = run(make_raw(boxes, [1, 2, 1, 2], [0.5, 0.9, 0.99, 0.7], valid=[True, True, False, True]))
    np.testing.assert_allclose(result.scores, [0.9, 0.7, 0.5])
    assert result.class_names == ("dog", "dog", "cat")


def test_boxes_are_clipped_to_the_image():
    # 0.5 rows above the window and 3 columns left of it
    result = run(make_raw([[9, -6, 50, 60]], [1], [0.9]))
    np.testing.assert_array_equal(result.boxes, [[0, 0, 10, 20]])
    assert result.masks.all()


def test_mask_threshold_is_absolute():
    # upper row of the grid 0.4, lower row 0.3: nothing reaches 0.5, though 0.4 is the mask's own maximum
    raw = make_raw([[10, 0, 18, 8]], [1], [0.9], masks=[[[0.4, 0.4], [0.3, 0.3]]])
    assert len(run(raw).boxes) == 0
    upper = run(raw, rules=OutputRules(mask_threshold=0.35)).masks[0]
    # box of 4 rows, grid rows at 1 and 3, pixel middles at 0.5 1.5 2.5 3.5: values .4 .375 .325 .3
    np.testing.assert_array_equal(np.flatnonzero(upper.any(axis=1)), [0, 1])
    np.testing.assert_array_equal(np.flatnonzero(upper.any(axis=0)), [0, 1, 2, 3])


def test_empty_mask_drops_only_its_detection():
    masks = [np.zeros((2, 2)), np.ones((2, 2))]
    result = run(make_raw([[10, 0, 20, 10], [10, 0, 20, 20]], [1, 2], [0.9, 0.8], masks=masks))
    assert result.class_names == ("dog",)
    assert result.masks.shape == (1, 10, 20)
    np.testing.assert_array_equal(result.boxes, [[0, 0, 5, 10]])


@pytest.mark.parametrize("box", [[10, 0, 10, 10], [10, 5, 20, 5], [31, 0, 38, 10], [12.2, 0, 12.6, 40]])
def test_boxes_without_a_pixel_are_dropped(box):
    assert len(run(make_raw([box], [1], [0.9])).scores) == 0


def test_no_detection():
    result = run(make_raw([[0, 0, 0, 0]], [0], [0], valid=[False]))
    assert result.boxes.shape == (0, 4)
    assert result.masks.shape == (0, 10, 20)
    assert result.class_names == ()
    assert result.scores.shape == result.class_ids.shape == (0,)


def test_boxes_are_rounded_and_masks_enlarged_by_the_rules():
    raw = make_raw([[14.6, 4, 22, 20]], [2], [0.75], masks=[[[0.2, 0.2], [0.1, 0.4]]])
    # 4.6 rows of 20 for 10: 4.6 * 9 / 19 = 2.18; ends 11 * 9 / 19 + 1 = 6.2; 4 * 19 / 39 = 1.9, 19 * 19 / 39 + 1 = 10.3
    assert len(run(raw, rules=OutputRules(round_boxes="at_end")).boxes) == 0  # no pixel reaches 0.5
    found = run(raw, rules=OutputRules(0.15, "fading", "at_end"))
    np.testing.assert_array_equal(found.boxes, [[2, 2, 6, 10]])
    # the corner fades to 0.75 * 0.625 * 0.2 = 0.094, so to the least value 0.1; one further in each way is 0.184
    assert not found.masks[0, 2, 2]
    assert found.masks[0, 3, 4]
    stretched = run(raw, rules=OutputRules(0.5, "stretched", "before_nms"))
    np.testing.assert_array_equal(stretched.boxes, [[2, 2, 6, 10]])
    assert stretched.masks[0, 5, 9]
    assert not stretched.masks[0, 2].any()  # a third of the range


def test_small_masks_are_the_large_ones_cropped():
    raw = make_raw([[14, 4, 22, 20], [10, 0, 30, 40], [0, 0, 0, 0]], [2, 1, 1], [0.75, 0.9, 0.8])
    small = postprocess.to_compact(raw, PLAN, image_size=(10, 20), class_names=NAMES)
    assert small.size == (10, 20)
    assert [mask.box for mask in small.masks] == [(0, 0, 10, 20), (2, 2, 6, 10)]
    for left, right in zip(compact.to_dense(small), run(raw), strict=True):
        np.testing.assert_array_equal(left, right)


def test_in_image_neither_moves_boxes_nor_extras():
    raw = make_raw([[2, 2, 6, 10], [0, -3, 10, 99]], [2, 1], [0.75, 0.9])._replace(
        extras={"keypoints": np.float32([[[1, 2, 0.5]], [[3, 4, 0.6]]])}
    )
    found, slots = postprocess.in_image(raw, image_size=(10, 20), class_names=NAMES)
    assert found.boxes.tolist() == [[0, 0, 10, 20], [2, 2, 6, 10]]  # clipped
    assert found.class_names == ("cat", "dog")
    assert found.extras["keypoints"][:, 0, :2].tolist() == [[3, 4], [1, 2]]
    assert slots.tolist() == [1, 0]


def test_extras_to_original_of_a_mirrored_image_exchanges_left_and_right():
    fields = {"keypoints": Keypoints(KeypointTemplate(names=("left", "right")))}
    values = {"keypoints": np.float32([[[8, 20, 0.5], [30, 14, 0.25]]])}
    straight = postprocess.extras_to_original(values, PLAN, fields=fields)["keypoints"]
    # twice as large, 10 rows above: x / 2, (y - 10) / 2
    assert straight.tolist() == [[[4, 5, 0.5], [15, 2, 0.25]]]
    turned = postprocess.extras_to_original(values, PLAN, flip=True, fields=fields)["keypoints"]
    # 20 - 15 and 20 - 4: the point found as `right` is the left one
    assert turned.tolist() == [[[5, 2, 0.25], [16, 5, 0.5]]]
    assert postprocess.extras_to_original({}, PLAN, flip=True) == {}


def test_extras_to_original_of_a_mirrored_image_with_padding_on_the_left():
    # a 20 x 10 image twice as large, 10 columns of padding on each side: (x - 10) / 2 from the right, of 10
    plan = resize.resize_plan(20, 10, min_dim=40, max_dim=40)
    fields = {"keypoints": Keypoints(KeypointTemplate(names=("nose",)))}
    got = postprocess.extras_to_original({"keypoints": np.float32([[[14, 6, 0.5]]])}, plan, flip=True, fields=fields)
    assert got["keypoints"].tolist() == [[[8, 3, 0.5]]]
