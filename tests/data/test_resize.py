import numpy as np
import pytest
from PIL import Image
from skimage import transform

from mrcnn.data import resize


# cases/resize.json `supervisely_v1`, by matterport/Mask_RCNN:mrcnn/utils.py resize_image: scale = max(1, min_dim /
# short); if round(long * scale) > max_dim then scale = max_dim / long.
@pytest.mark.parametrize(
    ("height", "width", "min_dim", "max_dim", "new_hw", "pads"),
    [
        # lemons: 512 / 1067 = .47985; 800 * .47985 = 383.88 -> 384; (512 - 384) // 2 = 64
        (800, 1067, 512, 512, (384, 512), (64, 0)),
        # enlarged: 256 / 100 = 2.56; 200 * 2.56 = 512 fits; (512 - 256) // 2 = 128
        (100, 200, 256, 512, (256, 512), (128, 0)),
        # enlarging stops at max_dim: 512 / 300 = 1.70667; 100 * 1.70667 = 170.67 -> 171; (512 - 171) // 2 = 170
        (100, 300, 256, 512, (171, 512), (170, 0)),
        # one pixel too many: 13 * 5 = 65 > 64, so 64 / 13 = 4.923 and 10 * 4.923 = 49.23 -> 49; (64 - 49) // 2 = 7
        (10, 13, 50, 64, (49, 64), (7, 0)),
        # neither needed: left alone; (512 - 300) // 2 = 106, (512 - 401) // 2 = 55
        (300, 401, 256, 512, (300, 401), (106, 55)),
        # 64 / 128 = .5; 5 * .5 = 2.5 rounds half to even -> 2; (64 - 2) // 2 = 31
        (5, 128, 1, 64, (2, 64), (31, 0)),
        # 64 / 128 = .5; 7 * .5 = 3.5 rounds half to even -> 4
        (7, 128, 1, 64, (4, 64), (30, 0)),
        # 64 / 1000 = .064 would leave no row: one stays; (64 - 1) // 2 = 31
        (1, 1000, 1, 64, (1, 64), (31, 0)),
        (64, 64, 64, 64, (64, 64), (0, 0)),
    ],
)
def test_plan(height, width, min_dim, max_dim, new_hw, pads):
    plan = resize.resize_plan(height, width, min_dim=min_dim, max_dim=max_dim)
    assert plan.new_hw == new_hw
    assert (plan.pad_top, plan.pad_left) == pads
    assert plan.window == (*pads, pads[0] + new_hw[0], pads[1] + new_hw[1])
    assert plan.scale_yx == (new_hw[0] / height, new_hw[1] / width)


def test_plan_keeps_the_unrounded_scale():
    assert resize.resize_plan(800, 1067, min_dim=512, max_dim=512).scale == 512 / 1067


@pytest.mark.parametrize("sizes", [(0, 5, 1, 64), (5, 5, 0, 64), (5, 5, 1, 0)])
def test_plan_refuses_nothing(sizes):
    height, width, min_dim, max_dim = sizes
    with pytest.raises(ValueError, match="at least one pixel"):
        resize.resize_plan(height, width, min_dim=min_dim, max_dim=max_dim)


def test_resize_image_enlarging_is_bilinear_between_pixel_centres():
    plan = resize.resize_plan(1, 2, min_dim=2, max_dim=4)
    image = np.array([[[0.0], [9.0]]])
    # factor 2: the new columns lie at -.25, .25, .75 and 1.25 of the old ones; ends are repeated, nothing is rounded
    row = [0, 9 * 0.25, 9 * 0.75, 9]
    expected = np.array([[0] * 4, row, row, [0] * 4], np.float32)
    result = resize.resize_image(image, plan)
    np.testing.assert_array_equal(result[..., 0], expected)
    assert result.dtype == np.float32


def test_resize_image_shrinking_does_not_smooth():
    plan = resize.resize_plan(4, 4, min_dim=1, max_dim=1)
    image = np.zeros((4, 4, 1))
    image[1:3, 1:3] = 8  # one new pixel, centred between the inner four: mean of these, not of all sixteen (2)
    assert resize.resize_image(image, plan).item() == 8


def test_resize_image_border_does_not_fade():
    plan = resize.resize_plan(10, 10, min_dim=64, max_dim=64)
    np.testing.assert_array_equal(resize.resize_image(np.full((10, 10, 3), 200, np.uint8), plan), 200)


def test_resize_image_padding_is_zero_and_the_image_in_its_window():
    plan = resize.resize_plan(3, 5, min_dim=1, max_dim=8)
    image = np.arange(1, 46, dtype=np.uint8).reshape(3, 5, 3)
    result = resize.resize_image(image, plan)
    y1, x1, y2, x2 = plan.window
    np.testing.assert_array_equal(result[y1:y2, x1:x2], image)
    result[y1:y2, x1:x2] = 0
    assert not result.any()


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_resize_image_any_number_of_channels(channels):
    plan = resize.resize_plan(10, 20, min_dim=1, max_dim=8)
    result = resize.resize_image(np.full((10, 20, channels), 3, np.uint8), plan)
    np.testing.assert_array_equal(result[2:6], 3)  # 20 -> 8, 10 -> 4 rows, (8 - 4) // 2 = 2 above


def test_resize_image_image_must_fit_its_plan():
    plan = resize.resize_plan(10, 20, min_dim=1, max_dim=8)
    with pytest.raises(ValueError, match="does not fit"):
        resize.resize_image(np.zeros((20, 10, 3)), plan)


def test_boxes_to_input_boxes_use_each_axis_own_scale():
    plan = resize.resize_plan(800, 1067, min_dim=512, max_dim=512)
    boxes = np.array([[100, 0, 800, 1067]])
    # rows: 384 / 800 = .48 and 64 above; columns: 512 / 1067, none left
    np.testing.assert_allclose(resize.boxes_to_input(boxes, plan), [[48 + 64, 0, 384 + 64, 512]], rtol=1e-7)


@pytest.mark.parametrize("height_width", [(800, 1067), (33, 7), (1, 1000), (300, 200)])
def test_boxes_to_original_boxes_come_back(height_width):
    plan = resize.resize_plan(*height_width, min_dim=128, max_dim=256)
    boxes = np.random.default_rng(0).uniform(0, 1000, (5, 4)).astype(np.float32)
    moved = resize.boxes_to_input(boxes, plan)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(resize.boxes_to_original(moved, plan), boxes, rtol=1e-3, atol=1e-3)


def test_boxes_to_original_no_boxes():
    plan = resize.resize_plan(8, 8, min_dim=8, max_dim=8)
    for move in (resize.boxes_to_input, resize.boxes_to_original):
        assert move(np.zeros((0, 4), np.float32), plan).shape == (0, 4)


@pytest.mark.parametrize("size", [(30, 45), (200, 150)])
def test_resize_image_truncated_is_scikit_image_cut_to_whole_values(size):
    image = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    plan = resize.resize_plan(*size, min_dim=96, max_dim=96)
    got = resize.resize_image(image, plan, method="truncated")
    y1, x1, y2, x2 = plan.window
    expected = transform.resize(
        image, plan.new_hw, order=1, mode="constant", preserve_range=True, anti_aliasing=False
    ).astype(np.uint8)
    np.testing.assert_array_equal(got[y1:y2, x1:x2], expected)
    assert got.dtype == np.float32


def test_resize_image_truncated_fades_at_the_edges_when_enlarging():
    plan, image = resize.resize_plan(4, 4, min_dim=8, max_dim=8), np.full((4, 4, 1), 200, np.uint8)
    image[3, 3] = 120
    got = resize.resize_image(image, plan, method="truncated")[..., 0]
    # the outermost of 8 pixels lies a quarter of an old pixel outside the first one's middle: .75 * 200, in the corner
    # twice, .5625 * 200 = 112.5; but 120 is the least value
    np.testing.assert_array_equal(got[0], [120, 150, 150, 150, 150, 150, 150, 120])
    np.testing.assert_array_equal(got[3, 1:5], [200] * 4)


def test_resize_image_smoothed_is_pillows():
    image = np.random.default_rng(3).integers(0, 256, (200, 150, 3), np.uint8)
    plan = resize.resize_plan(200, 150, min_dim=64, max_dim=64)
    expected = np.asarray(Image.fromarray(image).resize((48, 64), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(resize.resize_image(image, plan, method="smoothed")[:, 8:56], expected)


@pytest.mark.parametrize("method", resize.METHODS)
def test_resize_image_image_that_fits_stays_as_it_is(method):
    image = np.random.default_rng(3).integers(0, 256, (32, 24, 4), np.uint8)
    plan = resize.resize_plan(32, 24, min_dim=32, max_dim=32)
    np.testing.assert_array_equal(resize.resize_image(image, plan, method=method)[:, 4:28], image)


def test_boxes_to_original_boxes_are_mapped_and_rounded_as_matterport_did():
    # 400 x 600 in 171 x 256 at row 42: rows (y - 42) * 399 / 170, ends less one before and one more after
    plan = resize.resize_plan(400, 600, min_dim=256, max_dim=256)
    boxes = [[42, 0, 213, 256], [100, 50.5, 120.25, 99.75]]
    got = resize.boxes_to_original(np.array(boxes), plan, rounding="at_end")
    # 58 * 399 / 170 = 136.13, 50.5 * 599 / 255 = 118.63, 77.25 * 399 / 170 + 1 = 182.3, 98.75 * 599 / 255 + 1 = 232.96
    np.testing.assert_array_equal(got, [[0, 0, 400, 600], [136, 119, 182, 233]])


def test_boxes_to_original_boxes_are_mapped_and_cut_as_the_plugin_did():
    # the smaller of 400 / 171 = 2.339 and 600 / 256 = 2.344 for both axes: 58 * 2.339 = 135.7, 49 -> 114.6
    plan = resize.resize_plan(400, 600, min_dim=256, max_dim=256)
    got = resize.boxes_to_original(np.array([[100, 49, 213, 256]]), plan, rounding="before_nms")
    np.testing.assert_array_equal(got, [[135, 114, 400, 598]])


def test_boxes_unrounded_of_each_rule_by_hand():
    # 400 x 600 in 171 x 256 at row 42
    plan = resize.resize_plan(400, 600, min_dim=256, max_dim=256)
    boxes = np.array([[100, 50.5, 120.25, 99.75]])
    never = [58 * 400 / 171, 50.5 * 600 / 256, 78.25 * 400 / 171, 99.75 * 600 / 256]
    at_end = [58 * 399 / 170, 50.5 * 599 / 255, 77.25 * 399 / 170 + 1, 98.75 * 599 / 255 + 1]
    before_nms = [value * 400 / 171 for value in (58, 50.5, 78.25, 99.75)]
    for rounding, expected in zip(resize.ROUNDINGS, (never, at_end, before_nms), strict=True):
        np.testing.assert_allclose(resize.boxes_unrounded(boxes, plan, rounding=rounding), [expected], rtol=1e-12)


@pytest.mark.parametrize("rounding", resize.ROUNDINGS)
def test_boxes_restored_finds_the_same_float32_boxes_again(rounding):
    rng = np.random.default_rng(0)
    for height, width in ((400, 600), (1333, 17), (5, 7)):
        plan = resize.resize_plan(height, width, min_dim=256, max_dim=320)
        boxes = rng.uniform(0, 320, (500, 4)).astype(np.float32)
        in_image = resize.boxes_unrounded(boxes, plan, rounding=rounding)
        again = resize.boxes_restored(in_image, plan, rounding=rounding)
        assert again.dtype == np.float32
        np.testing.assert_array_equal(again, boxes)


def test_boxes_restored_of_an_image_of_one_pixel_is_finite():
    plan = resize.resize_plan(1, 1, min_dim=64, max_dim=64)
    in_image = resize.boxes_unrounded(np.array([[3, 3, 9, 9]]), plan, rounding="at_end")
    assert in_image.tolist() == [[0, 0, 1, 1]]  # factor (1 - 1) / 63
    assert np.isfinite(resize.boxes_restored(in_image, plan, rounding="at_end")).all()
    assert resize.boxes_restored(np.zeros((0, 4)), plan).shape == (0, 4)


def test_rounded_by_each_rule():
    boxes = np.array([[1.5, -0.5, 2.5, 3.7]])
    assert resize.rounded(boxes, rounding="never").tolist() == [[1.5, -0.5, 2.5, np.float32(3.7)]]
    assert resize.rounded(boxes, rounding="at_end").tolist() == [[2, 0, 2, 4]]  # halves to the even number
    assert resize.rounded(boxes, rounding="before_nms").tolist() == [[1, 0, 2, 3]]
    assert resize.rounded(boxes, rounding="at_end").dtype == np.float32


def test_resize_image_and_boxes_to_original_other_words_are_named():
    plan = resize.resize_plan(4, 4, min_dim=8, max_dim=8)
    with pytest.raises(ValueError, match="method must be one of exact, truncated, smoothed, got 'cubic'"):
        resize.resize_image(np.zeros((4, 4, 3), np.uint8), plan, method="cubic")
    with pytest.raises(ValueError, match="rounding must be one of never, at_end, before_nms, got 'up'"):
        resize.boxes_to_original(np.zeros((1, 4)), plan, rounding="up")


@pytest.mark.parametrize(
    ("size", "input_hw", "new_hw"),
    [
        ((100, 160), (128, 192), (100, 160)),
        ((64, 128), (128, 192), (96, 192)),  # enlarged to the long side, 1.5 times
        ((300, 600), (128, 192), (96, 192)),
        ((1, 1), (128, 128), (100, 100)),
    ],
)
def test_resize_plan_rectangle_is_the_smallest_of_multiples_of_64(size, input_hw, new_hw):
    plan = resize.resize_plan(*size, min_dim=100, max_dim=192, shape="rectangle")
    assert (plan.input_hw, plan.new_hw) == (input_hw, new_hw)
    assert (plan.pad_top, plan.pad_left) == tuple((a - b) // 2 for a, b in zip(input_hw, new_hw, strict=True))


def test_resize_plan_scales_down_what_the_given_input_does_not_hold():
    # 100 x 160 fits 192 in width, but not 64 in height: 64 / 100 of 160 is 102.4
    plan = resize.resize_plan(100, 160, min_dim=100, max_dim=192, input_hw=(64, 192))
    assert (plan.new_hw, plan.scale, plan.pad_top, plan.pad_left) == ((64, 102), 0.64, 0, 45)
    assert resize.resize_image(np.ones((100, 160, 3), np.uint8), plan).shape == (64, 192, 3)


def test_resize_plan_pads_to_the_given_input():
    plan = resize.resize_plan(100, 160, min_dim=100, max_dim=192, shape="rectangle", input_hw=(192, 192))
    assert (plan.new_hw, plan.pad_top, plan.pad_left) == ((100, 160), 46, 16)


def test_resize_plan_unknown_shape():
    with pytest.raises(ValueError, match="rectangle, square, got 'circle'"):
        resize.resize_plan(1, 1, min_dim=64, max_dim=64, shape="circle")


@pytest.mark.parametrize(
    ("fit", "new_hw", "input_hw"),
    [("torchvision", (443, 1333), (448, 1344)), ("detectron2", (444, 1333), (448, 1344))],
)
def test_resize_plan_of_torchvision_and_detectron2_pads_below_and_to_the_right(fit, new_hw, input_hw):
    plan = resize.resize_plan(333, 1000, min_dim=800, max_dim=1333, shape="rectangle", fit=fit)
    assert (plan.new_hw, plan.input_hw) == (new_hw, input_hw)
    assert plan.window == (0, 0, *new_hw)
    image = np.full((333, 1000, 1), 7, np.float32)
    padded = resize.resize_image(image, plan)
    assert padded[: new_hw[0], : new_hw[1]].min() == 7
    assert padded[new_hw[0] :].max() == padded[:, new_hw[1] :].max() == 0
    np.testing.assert_allclose(resize.boxes_to_original(np.float32([[0, 0, *new_hw]]), plan), [[0, 0, 333, 1000]])


def test_resize_plan_of_a_given_input_pads_by_the_rule():
    for fit, pads in (("centred", (16, 16)), ("torchvision", (0, 0))):
        plan = resize.resize_plan(64, 64, min_dim=64, max_dim=64, input_hw=(96, 96), fit=fit)
        assert (plan.new_hw, (plan.pad_top, plan.pad_left)) == ((64, 64), pads)
    shrunk = resize.resize_plan(64, 64, min_dim=64, max_dim=64, input_hw=(32, 48), fit="torchvision")
    assert (shrunk.new_hw, shrunk.window) == ((32, 32), (0, 0, 32, 32))


def test_resize_plan_rule_must_be_known():
    with pytest.raises(ValueError, match="the fit must be one of centred, torchvision, detectron2, got 'left'"):
        resize.resize_plan(5, 5, min_dim=8, max_dim=8, fit="left")
