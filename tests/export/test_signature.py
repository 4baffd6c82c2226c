"""The graph around the model: sizes, pixels, bytes, boxes and masks against their NumPy and OpenCV forms."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrcnn.data import resize
from mrcnn.export import signature
from mrcnn.images import image_header, pixels
from mrcnn.ops import masks as mask_ops
from mrcnn.predict import postprocess, preprocess
from mrcnn.structures import OutputRules, RawDetections

from . import helpers


def traced_fit(*, min_dim, max_dim, channels=3, method="exact"):
    spec = tf.TensorSpec([None, None, channels], tf.uint8)
    return tf.function(
        lambda image: signature.fit(image, min_dim=min_dim, max_dim=max_dim, method=method), input_signature=[spec]
    )


@pytest.mark.parametrize(("min_dim", "max_dim"), [(64, 64), (48, 128), (800, 1024)])
def test_fit_has_the_plan_of_training_for_every_size(min_dim, max_dim):
    fit = traced_fit(min_dim=min_dim, max_dim=max_dim, channels=1)
    random = np.random.default_rng(0)
    sizes = np.exp(random.uniform(0, np.log(1500), (60, 2))).astype(int).tolist()
    for height, width in [*sizes, (1, 1), (1, 900), (900, 1), (max_dim, max_dim), (max_dim + 1, 3), (5, 2 * max_dim)]:
        plan = resize.resize_plan(height, width, min_dim=min_dim, max_dim=max_dim)
        fitted = fit(np.zeros((height, width, 1), np.uint8))
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
    inputs = preprocess.prepare([image], min_dim=64, max_dim=64)
    fitted = traced_fit(min_dim=64, max_dim=64)(image)
    assert fitted.images.dtype == tf.float32
    np.testing.assert_allclose(fitted.images, inputs.images, atol=0.02)  # of 255
    np.testing.assert_array_equal(fitted.images.numpy() == 0, inputs.images == 0)  # the padding is exactly zero


@pytest.mark.parametrize("method", ["truncated", "smoothed"])
@pytest.mark.parametrize("size", [(64, 64), (40, 64), (300, 451), (20, 33), (1, 70)])
def test_fit_has_the_whole_values_of_older_code(method, size):
    image = helpers.photo(*size)
    inputs = preprocess.prepare([image], min_dim=64, max_dim=64, image_resize=method)
    difference = traced_fit(min_dim=64, max_dim=64, method=method)(image).images.numpy() - inputs.images
    # sums that should be whole numbers differ in their last bits, so a few are cut to the number below
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


def test_image_without_pixels_is_an_error():
    detect = signature.Detector(
        helpers.brightness_model, min_dim=64, max_dim=64, channels=3, image_resize="exact", rules=OutputRules()
    ).signatures()[signature.IMAGE_SIGNATURE]
    with pytest.raises(tf.errors.InvalidArgumentError):
        detect(image=tf.zeros([0, 5, 3], tf.uint8))


PHOTO = helpers.photo(60, 90)
GREY = PHOTO[..., 0]
FILES = {
    "jpeg": helpers.encode(PHOTO, ".jpg"),
    "poor jpeg": helpers.encode(PHOTO, ".jpg", 1, 40),
    "grey jpeg": helpers.encode(GREY, ".jpg"),
    "png": helpers.encode(PHOTO),
    "grey png": helpers.encode(GREY),
    "png with alpha": helpers.encode(np.dstack([PHOTO, GREY])),
    "16-bit png": helpers.encode(PHOTO.astype(np.uint16) * 256 + 200),
    "16-bit grey png": helpers.encode(GREY.astype(np.uint16) * 256 + 200),
    "bmp": helpers.encode(PHOTO, ".bmp"),
}


@pytest.mark.parametrize("kind", FILES)
def test_bytes_are_decoded_as_the_live_reader_does(kind):
    decode = tf.function(signature.decode, input_signature=[tf.TensorSpec([], tf.string)])
    live = pixels.decode_image(np.frombuffer(FILES[kind], np.uint8), name=kind)
    np.testing.assert_array_equal(decode(FILES[kind]), live)


def test_exif_orientation_is_ignored():
    file = io.BytesIO()
    exif = Image.Exif()
    exif[image_header.EXIF_ORIENTATION] = 6  # to be turned by a quarter
    Image.fromarray(PHOTO).save(file, "JPEG", exif=exif)
    assert pixels.decode_image(np.frombuffer(file.getvalue(), np.uint8), name="live").shape == (90, 60, 3)
    assert signature.decode(tf.constant(file.getvalue())).shape == (60, 90, 3)


@pytest.mark.parametrize("data", [b"", b"no image", FILES["png"][:50], FILES["jpeg"][:200]])
def test_bytes_that_are_no_image(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        signature.decode(tf.constant(data))


def traced_draw(masks, boxes, *, height, width, threshold=0.5):
    draw = tf.function(
        lambda masks, boxes, height, width: signature.draw(
            masks, boxes, height=height, width=width, rules=OutputRules(threshold)
        ),
        input_signature=[
            tf.TensorSpec([None, *masks.shape[1:]], tf.float32),
            tf.TensorSpec([None, 4], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ],
    )
    return tuple(value.numpy() for value in draw(masks, boxes, height, width))


def test_drawn_masks_by_hand():
    masks = np.ones((3, 2, 2), np.float32)
    masks[1] = 0.4  # below the threshold everywhere
    boxes = np.array([[1, 1, 3, 4], [0, 0, 5, 6], [0, 4.6, 0.6, 6]], np.float32)
    drawn, some = traced_draw(masks, boxes, height=5, width=6)
    np.testing.assert_array_equal(some, [True, False, True])
    expected = np.zeros((2, 5, 6), np.uint8)
    expected[0, 1:3, 1:4] = 1
    expected[1, 0, 5] = 1  # middles in the box: 0.5 of the rows, 5.5 of the columns (4.5 is left of 4.6)
    np.testing.assert_array_equal(drawn, expected)


def test_drawn_masks_equal_the_live_ones():
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
        crop, (y, x) = mask_ops.paste_mask_numpy(masks[index], boxes[index], height=height, width=width, threshold=0.5)
        expected[index, y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    np.testing.assert_array_equal(some, expected.any(axis=(1, 2)))
    assert 0 < some.sum() < count
    np.testing.assert_array_equal(drawn, expected[some])


@pytest.mark.parametrize("boxes", [np.zeros((0, 4)), np.zeros((3, 4))])
def test_nothing_to_draw(boxes):
    drawn, some = traced_draw(np.ones((len(boxes), 4, 4), np.float32), boxes.astype(np.float32), height=7, width=9)
    assert drawn.shape == (0, 7, 9)
    assert drawn.dtype == np.uint8
    assert some.tolist() == [False] * len(boxes)


def test_one_mask_is_drawn_at_a_time():
    # of 100 masks of a 4000 x 3000 image the floats would be 4.8 GB; of one they are 48 MB
    masks, boxes = tf.ones((100, 4, 4)), tf.tile([[0.0, 0.0, 3000.0, 4000.0]], (100, 1))
    function = tf.function(lambda: signature.draw(masks, boxes, height=3000, width=4000, rules=OutputRules()))
    operations = function.get_concrete_function().graph.get_operations()
    (loop,) = (op for op in operations if op.type in ("While", "StatelessWhile"))
    assert loop.get_attr("parallel_iterations") == 1
    floats = [value.shape.num_elements() for op in operations for value in op.outputs if value.dtype == tf.float32]
    assert max(floats) == 100 * 4 * 4


@pytest.mark.parametrize(
    "rules", [OutputRules(0.6), OutputRules(0.6, "fading", "at_end"), OutputRules(0.6, "stretched", "before_nms")]
)
def test_raw_output_is_moved_as_live(rules):
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
    fitted = signature.fit(tf.zeros([*size, 3], tf.uint8), **numbers, method="exact")
    graph = signature.to_original(
        RawDetections(*map(tf.constant, raw)), fitted, height=size[0], width=size[1], rules=rules
    )
    assert 3 < len(live.scores) <= 11
    np.testing.assert_array_equal(graph["boxes"], live.boxes)
    np.testing.assert_array_equal(graph["class_ids"], live.class_ids)
    np.testing.assert_array_equal(graph["scores"], live.scores)
    np.testing.assert_array_equal(graph["masks"], live.masks)


def test_signatures_by_channels():
    def names(channels):
        return set(
            signature.Detector(
                helpers.brightness_model,
                min_dim=64,
                max_dim=64,
                channels=channels,
                image_resize="exact",
                rules=OutputRules(),
            ).signatures()
        )

    assert names(3) == {"serving_default", "encoded"}
    assert names(1) == names(4) == {"serving_default"}


def test_detects_in_image_pixels():
    detect = signature.Detector(
        helpers.brightness_model, min_dim=64, max_dim=64, channels=3, image_resize="exact", rules=OutputRules()
    ).signatures()["serving_default"]
    found = detect(image=np.full((30, 90, 3), 51, np.uint8))  # 51 / 255 = 0.2
    np.testing.assert_array_equal(found["class_ids"], [1, 2])
    np.testing.assert_allclose(found["scores"], [0.2, 0.1], rtol=1e-5)
    np.testing.assert_allclose(found["boxes"], [[0, 0, 30, 90], [0, 0, 15, 90]], atol=1e-3)
    assert found["masks"].shape == (2, 30, 90)
    np.testing.assert_array_equal(found["masks"].numpy().sum(axis=(1, 2)), [30 * 90, 15 * 90])
