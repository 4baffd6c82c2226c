import numpy as np

from mrcnn.config.keypoints import KeypointTemplate
from mrcnn.data import resize
from mrcnn.fields.keypoints import Keypoints
from mrcnn.predict.tta.average import Average

# A 10 x 20 image in a 40 x 40 input: twice as large, 10 rows of padding above and below.
PLAN = resize.resize_plan(10, 20, min_dim=40, max_dim=40)
FIELDS = {"keypoints": Keypoints(KeypointTemplate(names=("left", "right")))}


def test_average_mirrors_masks_of_mirrored_views_back():
    average = Average({})
    average.add({"masks": np.float32([[[0.2, 0.8], [0.4, 0.6]]])}, PLAN, flip=False)
    average.add({"masks": np.float32([[[0.6, 0.4], [0.0, 1.0]]])}, PLAN, flip=True)
    masks, extras = average.result()
    # mirrored back: [[0.4, 0.6], [1.0, 0.0]]
    np.testing.assert_allclose(masks, [[[0.3, 0.7], [0.7, 0.3]]], rtol=1e-6)
    assert masks.dtype == np.float32
    assert extras == {}


def test_average_exchanges_left_and_right_points_of_mirrored_views():
    average = Average(FIELDS)
    none = np.ones((1, 1, 1), np.float32)
    average.add({"masks": none, "keypoints": np.float32([[[8, 20, 0.75], [30, 14, 0.5]]])}, PLAN, flip=False)
    # of the mirror image: the point found as `right` is the left one, at (20 - 28 / 2, (24 - 10) / 2)
    average.add({"masks": none, "keypoints": np.float32([[[8, 14, 0.5], [28, 24, 0.25]]])}, PLAN, flip=True)
    _, extras = average.result()
    # left: (4, 5) by 0.75 and (6, 7) by 0.25; right: (15, 2) and (16, 2) by 0.5 each
    expected = [[[4.5, 5.5, 0.5], [15.5, 2, 0.5]]]
    np.testing.assert_allclose(extras["keypoints"], expected, rtol=1e-6)


def test_average_of_one_view_keeps_its_values():
    rng = np.random.default_rng(0)
    average = Average({})
    masks = rng.uniform(0, 1, (5, 28, 28)).astype(np.float32)
    average.add({"masks": masks}, PLAN, flip=False)
    np.testing.assert_array_equal(average.result()[0], masks)


def test_average_without_views_has_no_rows():
    masks, extras = Average(FIELDS).result()
    assert masks.shape == (0, 1, 1)
    assert extras["keypoints"].shape == (0, 2, 3)
