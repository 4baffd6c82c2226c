"""The graph around the model: sizes, pixels, boxes and masks against their NumPy and OpenCV forms."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.data import resize
from mrcnn.export import graph
from mrcnn.images import fit as images_fit
from mrcnn.ops import mask_paste
from mrcnn.predict import postprocess, preprocess
from mrcnn.structures import OutputRules, RawDetections
from tests.fields import toy

from . import helpers


def traced_fit(*, channels=3, method="exact", **numbers):
    spec = tf.TensorSpec([None, None, channels], tf.uint8)
    return tf.function(lambda image: graph.fit(image, method=method, **numbers), input_signature=[spec])


def portable_fit(**numbers):
    """Is `traced_fit` for an image of float32, as formats without TensorFlow's operators have it."""
    spec = tf.TensorSpec([None, None, 3], tf.float32)
    return tf.function(lambda image: graph.fit(image, **numbers), input_signature=[spec])


@pytest.mark.parametrize("shape", resize.SHAPES)
@pytest.mark.parametrize(("min_dim", "max_dim"), [(64, 64), (48, 128), (800, 1024)])
def test_fit_has_the_plan_of_training_for_every_size(min_dim, max_dim, shape):
    fit = traced_fit(min_dim=min_dim, max_dim=max_dim, shape=shape, channels=1)
    random = np.random.default_rng(0)
    sizes = np.exp(random.uniform(0, np.log(1500), (60, 2))).astype(int).tolist()
    for height, width in [*sizes, (1, 1), (1, 900), (900, 1), (max_dim, max_dim), (max_dim + 1, 3), (5, 2 * max_dim)]:
        plan = resize.resize_plan(height, width, min_dim=min_dim, max_dim=max_dim, shape=shape)
        fitted = fit(np.zeros((height, width, 1), np.uint8))
        assert tuple(fitted.images.shape[1:3]) == plan.input_hw
        assert tuple(fitted.windows[0].numpy()) == plan.window, (height, width)
        assert tuple(fitted.new_hw.numpy() / fitted.old_hw.numpy()) == plan.scale_yx
        assert tuple(fitted.offset_yx.numpy()) == (plan.pad_top, plan.pad_left)


def test_fit_rounds_half_to_even():
    # 5 x 64 to 32: the short side is 2.5 -> 2, not 3; 7 x 64 gives 3.5 -> 4
    fit = traced_fit(min_dim=32, max_dim=32)
    np.testing.assert_array_equal(fit(np.zeros((5, 64, 3), np.uint8)).windows, [[15, 0, 17, 32]])
    np.testing.assert_array_equal(fit(np.zeros((7, 64, 3), np.uint8)).windows, [[14, 0, 18, 32]])


@pytest.mark.parametrize("size", [(64, 64), (40, 64), (300, 451), (20, 33), (1, 1), (1, 70)])
def test_fit_has_the_pixels_of_training(size):
    image = helpers.photo(*size)
    [inputs] = preprocess.prepare([image], min_dim=64, max_dim=64)
    fitted = traced_fit(min_dim=64, max_dim=64)(image)
    assert fitted.images.dtype == tf.float32
    np.testing.assert_allclose(fitted.images, inputs.images, atol=0.02)  # of 255
    np.testing.assert_array_equal(fitted.images.numpy() == 0, inputs.images == 0)  # the padding is exactly zero


@pytest.mark.parametrize("method", ["truncated", "smoothed"])
@pytest.mark.parametrize("size", [(64, 64), (40, 64), (300, 451), (20, 33), (1, 70)])
def test_fit_has_the_whole_values_of_older_code(method, size):
    image = helpers.photo(*size)
    [inputs] = preprocess.prepare([image], min_dim=64, max_dim=64, image_resize=method)
    difference = traced_fit(min_dim=64, max_dim=64, method=method)(image).images.numpy() - inputs.images
    # sums that should be whole numbers differ in their last bits, so a few are cut to the number below
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


@pytest.mark.parametrize("size", [(64, 64), (40, 64), (300, 451), (20, 33), (1, 1), (1, 70), (70, 1)])
def test_fit_without_the_operator_smooths_as_with_it(size):
    image = helpers.photo(*size)
    expected = traced_fit(min_dim=64, max_dim=64, method="smoothed")(image).images.numpy()
    fit = portable_fit(min_dim=64, max_dim=64, method="smoothed")
    difference = fit(image.astype(np.float32)).images.numpy() - expected
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01
    operators = {item.type for item in fit.get_concrete_function().graph.get_operations()}
    assert not {"ScaleAndTranslate", "ResizeBilinear"} & operators


def traced_detect():
    spec = tf.TensorSpec([None, None, 3], tf.uint8)
    return tf.function(lambda image: graph.detect(image, helpers.make_exportable()), input_signature=[spec])


def test_detect_refuses_an_image_without_pixels():
    with pytest.raises(tf.errors.InvalidArgumentError):
        traced_detect()(image=tf.zeros([0, 5, 3], tf.uint8))


def traced_draw(masks, boxes, *, height, width, threshold=0.5, method="bilinear"):
    draw = tf.function(
        lambda masks, boxes, height, width: graph.draw(
            masks, boxes, height=height, width=width, rules=OutputRules(threshold, method)
        ),
        input_signature=[
            tf.TensorSpec([None, *masks.shape[1:]], tf.float32),
            tf.TensorSpec([None, 4], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ],
    )
    return tuple(value.numpy() for value in draw(masks, boxes, height, width))


def test_draw_by_hand():
    masks = np.ones((3, 2, 2), np.float32)
    masks[1] = 0.4  # below the threshold everywhere
    boxes = np.array([[1, 1, 3, 4], [0, 0, 5, 6], [0, 4.6, 0.6, 6]], np.float32)
    drawn, some = traced_draw(masks, boxes, height=5, width=6)
    np.testing.assert_array_equal(some, [True, False, True])
    expected = np.zeros((2, 5, 6), np.uint8)
    expected[0, 1:3, 1:4] = 1
    expected[1, 0, 5] = 1  # middles in the box: 0.5 of the rows, 5.5 of the columns (4.5 is left of 4.6)
    np.testing.assert_array_equal(drawn, expected)


def test_draw_equals_the_live_masks():
    random = np.random.default_rng(1)
    height, width, count = 70, 90, 40
    masks = random.random((count, 28, 28), np.float32)
    corners = np.sort(random.uniform(-20, 110, (count, 2, 2)), axis=1).reshape(count, 4)
    boxes = np.clip(corners, 0, [height, width, height, width]).astype(np.float32)
    boxes[3] = boxes[4, [0, 1, 0, 3]]  # without height
    boxes[5] = [70, 90, 70, 90]  # a corner of the image
    drawn, some = traced_draw(masks, boxes, height=height, width=width)
    expected = np.zeros((count, height, width), np.uint8)
    for index in range(count):
        crop, (y, x) = mask_paste.paste_mask(masks[index], boxes[index], height=height, width=width, threshold=0.5)
        expected[index, y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    np.testing.assert_array_equal(some, expected.any(axis=(1, 2)))
    assert 0 < some.sum() < count
    np.testing.assert_array_equal(drawn, expected[some])


@pytest.mark.parametrize("boxes", [np.zeros((0, 4)), np.zeros((3, 4))])
def test_draw_without_masks(boxes):
    drawn, some = traced_draw(np.ones((len(boxes), 4, 4), np.float32), boxes.astype(np.float32), height=7, width=9)
    assert drawn.shape == (0, 7, 9)
    assert drawn.dtype == np.uint8
    assert some.tolist() == [False] * len(boxes)


def test_draw_holds_one_mask_at_a_time():
    # of 100 masks of a 4000 x 3000 image the floats would be 4.8 GB; of one they are 48 MB
    masks, boxes = tf.ones((100, 4, 4)), tf.tile([[0.0, 0.0, 3000.0, 4000.0]], (100, 1))
    function = tf.function(lambda: graph.draw(masks, boxes, height=3000, width=4000, rules=OutputRules()))
    operations = function.get_concrete_function().graph.get_operations()
    (loop,) = (op for op in operations if op.type in ("While", "StatelessWhile"))
    assert loop.get_attr("parallel_iterations") == 1
    floats = [value.shape.num_elements() for op in operations for value in op.outputs if value.dtype == tf.float32]
    assert max(floats) == 100 * 4 * 4


@pytest.mark.parametrize(
    "rules", [OutputRules(0.6), OutputRules(0.6, "fading", "at_end"), OutputRules(0.6, "stretched", "before_nms")]
)
def test_to_original_moves_as_the_live_model(rules):
    size, numbers = (33, 60), {"min_dim": 64, "max_dim": 64}
    random = np.random.default_rng(2)
    corners = np.sort(random.uniform(-5, 70, (12, 2, 2)), axis=1).reshape(12, 4).astype(np.float32)
    raw = RawDetections(
        boxes=corners,
        class_ids=random.integers(1, 3, 12).astype(np.int32),
        scores=np.repeat(random.random(6), 2).astype(np.float32),  # ties keep their order
        valid=np.arange(12) != 4,
        masks=random.random((12, 7, 7), np.float32),
    )
    plan = resize.resize_plan(*size, **numbers)
    live = postprocess.to_original(raw, plan, image_size=size, class_names=helpers.NAMES, rules=rules)
    fitted = graph.fit(tf.zeros([*size, 3], tf.uint8), **numbers, method="exact")
    moved = graph.to_original(
        tf.nest.map_structure(tf.constant, raw), fitted, height=size[0], width=size[1], rules=rules
    )
    assert 3 < len(live.scores) <= 11
    np.testing.assert_array_equal(moved["boxes"], live.boxes)
    np.testing.assert_array_equal(moved["class_ids"], live.class_ids)
    np.testing.assert_array_equal(moved["scores"], live.scores)
    np.testing.assert_array_equal(moved["masks"], live.masks)


def test_detect_pastes_masks_as_the_format_wants():
    def paste(masks, boxes, *, height, width, rules):
        assert rules == OutputRules()
        return tf.fill([1, height, width], tf.constant(7, tf.uint8)), tf.constant([False, True])

    found = graph.detect(tf.fill([20, 30, 3], 102.0), helpers.make_exportable(), paste=paste)
    assert found["masks"].numpy().tolist() == [[[7] * 30] * 20]
    assert found["class_ids"].numpy().tolist() == [2]  # the second
    np.testing.assert_allclose(found["scores"], [0.2], rtol=1e-5)  # 102 / 255 / 2


def test_to_original_moves_extra_fields_as_the_live_model(monkeypatch):
    toy.register(monkeypatch)
    size, numbers = (33, 60), {"min_dim": 64, "max_dim": 64}
    random = np.random.default_rng(3)
    raw = RawDetections(
        boxes=np.tile(np.float32([20, 5, 45, 50]), (4, 1)),
        class_ids=np.ones(4, np.int32),
        scores=random.random(4).astype(np.float32),
        valid=np.arange(4) != 2,
        masks=np.ones((4, 7, 7), np.float32),
        extras={name: random.uniform(10, 50, (4, 2)).astype(np.float32) for name in ("point", "offset")},
    )
    live = postprocess.to_original(
        raw, resize.resize_plan(*size, **numbers), image_size=size, class_names=helpers.NAMES
    )
    fitted = graph.fit(tf.zeros([*size, 3], tf.uint8), **numbers, method="exact")
    raw = tf.nest.map_structure(tf.constant, raw)
    moved = graph.to_original(raw, fitted, height=size[0], width=size[1], rules=OutputRules())
    for name in ("point", "offset"):
        assert moved[name].shape == (3, 2)
        np.testing.assert_allclose(moved[name], live.extras[name], rtol=1e-5)


def test_detect_in_image_pixels():
    found = traced_detect()(image=np.full((30, 90, 3), 51, np.uint8))  # 51 / 255 = 0.2
    np.testing.assert_array_equal(found["class_ids"], [1, 2])
    np.testing.assert_allclose(found["scores"], [0.2, 0.1], rtol=1e-5)
    np.testing.assert_allclose(found["boxes"], [[0, 0, 30, 90], [0, 0, 15, 90]], atol=1e-3)
    assert found["masks"].shape == (2, 30, 90)
    np.testing.assert_array_equal(found["masks"].numpy().sum(axis=(1, 2)), [30 * 90, 15 * 90])


@pytest.mark.parametrize("rule", ["torchvision", "detectron2"])
@pytest.mark.parametrize(("min_dim", "max_dim"), [(800, 1333), (48, 128)])
def test_fit_has_the_plan_of_the_rule(rule, min_dim, max_dim):
    numbers = {"min_dim": min_dim, "max_dim": max_dim, "shape": "rectangle"}
    fit = traced_fit(fit_rule=images_fit.rule(rule), channels=1, **numbers)
    for height, width in ((480, 640), (333, 1000), (5, 4 * max_dim), (1, 1), (97, 61)):
        plan = resize.resize_plan(height, width, fit=rule, **numbers)
        fitted = fit(np.zeros((height, width, 1), np.uint8))
        assert tuple(fitted.images.shape[1:3]) == plan.input_hw
        assert tuple(fitted.windows[0].numpy()) == plan.window
        assert tuple(fitted.offset_yx.numpy()) == (0, 0)


@pytest.mark.parametrize("method", ["expanded", "sampled"])
def test_draw_equals_the_live_masks_of_torchvision_and_detectron2(method):
    random = np.random.default_rng(1)
    height, width, count = 40, 50, 30
    masks = random.random((count, 7, 7), np.float32)
    corners = np.sort(random.uniform(-10, 60, (count, 2, 2)), axis=1).reshape(count, 4)
    boxes = np.clip(corners, 0, [height, width, height, width]).astype(np.float32)
    boxes[3] = boxes[4, [0, 1, 0, 3]]  # without height
    drawn, some = traced_draw(masks, boxes, height=height, width=width, threshold=0.5, method=method)
    expected = np.zeros((count, height, width), np.uint8)
    for index in range(count):
        crop, (y, x) = mask_paste.paste_mask(
            masks[index], boxes[index], height=height, width=width, threshold=0.5, method=method
        )
        expected[index, y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    np.testing.assert_array_equal(some, expected.any(axis=(1, 2)))
    assert 0 < some.sum()
    np.testing.assert_array_equal(drawn, expected[some])
