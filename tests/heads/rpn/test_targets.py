import numpy as np

from mrcnn.heads.rpn.targets import AnchorTargetGenerator

ANCHORS = np.array([[0, 0, 10, 10], [0, 5, 10, 15], [20, 20, 30, 30], [50, 50, 60, 60]], "float32")
SEEDS = np.array([7], "int32")


def _call(boxes, *, valid, ignore, **kwargs):
    fields = {"gt_boxes": np.array([boxes], "float32"), "gt_valid": np.array([valid]), "gt_ignore": np.array([ignore])}
    return AnchorTargetGenerator(**kwargs)(ANCHORS, {**fields, "seeds": SEEDS})


def test_anchor_target_generator_object_background_and_ignored_anchors():
    got = _call([[0, 0, 10, 10], [20, 20, 28, 30]], valid=[True, False], ignore=[False, True])
    # IoU of the second anchor is 50 / 150 = 1/3: between 0.3 and 0.7; the third lies on the ignore region
    np.testing.assert_array_equal(got.state[0], [1, -1, -1, 0])
    np.testing.assert_array_equal(got.deltas[0], np.zeros((4, 4)))


def test_anchor_target_generator_a_small_anchor_deep_inside_a_large_ignore_region_is_no_background():
    # the region is 600 x 600: an anchor of 100 pixels has an IoU of 100 / 360000, below any limit on the IoU
    got = _call([[0, 0, 600, 600]], valid=[False], ignore=[True])
    np.testing.assert_array_equal(got.state[0], [-1, -1, -1, -1])


def test_anchor_target_generator_deltas_point_to_the_matched_object():
    got = _call([[1, 0, 11, 10]], valid=[True], ignore=[False])
    # one pixel down of height 10 is 0.1, divided by the standard deviation 0.1
    np.testing.assert_allclose(got.deltas[0, 0], [1, 0, 0, 0], atol=1e-5)


def test_anchor_target_generator_an_image_without_objects_has_only_background():
    got = _call([[0, 0, 0, 0]], valid=[False], ignore=[False])
    np.testing.assert_array_equal(got.state[0], [0, 0, 0, 0])
    assert not np.asarray(got.deltas).any()


def test_anchor_target_generator_the_sample_is_limited():
    got = _call([[0, 0, 0, 0]], valid=[False], ignore=[False], samples=2)
    assert sorted(np.asarray(got.state[0])) == [-1, -1, 0, 0]
