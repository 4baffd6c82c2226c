"""The predictor around a small fake model: sizes, batches, order, one trace, threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrcnn.errors import OutOfMemory
from mrcnn.predict import compact, regions, sources
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.predictor import Predictor

from . import helpers


def make_images(count=5):
    return [helpers.grey_image(20 + 7 * index, 90 - 9 * index, 40 * (index + 1)) for index in range(count)]


def check(detections, image):
    """Checks what `brightness_model` finds in an image of one value."""
    height, width = image.shape[:2]
    value = image.reshape(-1)[0] / 255
    assert detections.class_names == ("cat", "dog")
    np.testing.assert_array_equal(detections.class_ids, [1, 2])
    np.testing.assert_allclose(detections.scores, [value, value / 2], rtol=1e-4)
    np.testing.assert_allclose(detections.boxes, [[0, 0, height, width], [0, 0, height / 2, width]], atol=1e-3)
    assert detections.masks.shape == (2, height, width)
    assert detections.masks[0].all()
    rows = round(height / 2 - 1e-6)  # rows whose middles lie in the upper half
    assert detections.masks[1][:rows].all()
    assert not detections.masks[1][rows + 1 :].any()


@pytest.mark.parametrize("batch_size", [None, 1, 2, 5, 8])
def test_any_number_of_images_of_any_sizes(batch_size):
    images = make_images()
    results = Predictor(helpers.make_bundle()).predict(images, batch_size=batch_size)
    assert len(results) == 5
    for image, detections in zip(images, results, strict=True):
        check(detections, image)


def test_no_image():
    assert Predictor(helpers.make_bundle()).predict([]) == []


def test_grey_array_is_converted():
    check(
        Predictor(helpers.make_bundle()).predict([np.full((12, 30), 90, np.uint8)])[0], helpers.grey_image(12, 30, 90)
    )


def test_graph_is_traced_once_for_all_sizes_and_batches():
    traces = []

    def model(batch):
        traces.append(batch["images"].shape)
        return helpers.brightness_model(batch)

    predictor = Predictor(helpers.make_bundle(model))
    for batch_size in (1, 2, 3):
        predictor.predict(make_images(4), batch_size=batch_size)
    assert [tuple(shape) for shape in traces] == [(None, 64, 64, 3)]


def test_model_sees_float_rgb_and_windows():
    seen = {}

    def model(batch):
        tf.numpy_function(lambda images, windows: seen.update(images=images, windows=windows), list(batch.values()), [])
        return helpers.brightness_model(batch)

    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 0] = 200  # red
    Predictor(helpers.make_bundle(model)).predict([image])
    np.testing.assert_array_equal(seen["windows"], [[16, 0, 48, 64]])
    np.testing.assert_array_equal(seen["images"][0, 16:48, :, 0], 200)
    assert not seen["images"][..., 1:].any()


def test_one_image_at_a_time_unless_told_otherwise():
    results = Predictor(helpers.make_bundle()).predict_iter(images := iter(make_images()))
    next(results)
    assert len(list(images)) == 4


def test_iterator_reads_no_further_than_a_batch():
    read = []

    def images():
        for index, image in enumerate(make_images()):
            read.append(index)
            yield image

    results = Predictor(helpers.make_bundle()).predict_iter(images(), batch_size=2)
    assert read == []
    next(results)
    assert read == [0, 1]
    next(results)
    assert read == [0, 1]
    next(results)
    assert read == [0, 1, 2, 3]


def test_threads_share_a_predictor():
    predictor, images = Predictor(helpers.make_bundle()), make_images()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda index: predictor.predict([images[index % 5]])[0], range(20)))
    assert len(results) == 20
    for index, detections in enumerate(results):
        check(detections, images[index % 5])


def test_mask_threshold_of_the_model_is_used():
    def half_sure(batch):
        raw = helpers.brightness_model(batch)
        return raw._replace(masks=raw.masks * 0.45)

    image = [helpers.grey_image(64, 64, 200)]
    assert len(Predictor(helpers.make_bundle(half_sure)).predict(image)[0].boxes) == 0
    assert len(Predictor(helpers.make_bundle(half_sure, mask_threshold=0.4)).predict(image)[0].boxes) == 2


def test_refused_at_the_call():
    predictor = Predictor(helpers.make_bundle())
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        predictor.predict_iter(make_images(), batch_size=0)
    with pytest.raises(ValueError, match=r"put an image in a list: \[image\]"):
        predictor.predict(helpers.grey_image(8, 8, 0))
    with pytest.raises(ValueError, match="image 0: an image must be uint8"):
        predictor.predict([np.zeros((8, 8, 3))])


def test_array_of_images_is_taken_apart():
    stack = np.stack([helpers.grey_image(16, 32, 80)] * 2)
    results = Predictor(helpers.make_bundle()).predict(stack)
    assert len(results) == 2
    for detections in results:
        check(detections, stack[0])


def test_the_same_objects_with_small_masks():
    predictor, images = Predictor(helpers.make_bundle()), make_images()
    small = predictor.predict_compact(images, batch_size=2)
    for left, right in zip(small, predictor.predict(images), strict=True):
        for first, second in zip(compact.to_dense(left), right, strict=True):
            np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
        predictor.predict_compact(images, batch_size=0)


def test_paths_and_pillow_images_are_seen_as_their_arrays(tmp_path):
    predictor, image = Predictor(helpers.make_bundle()), helpers.grey_image(12, 30, 102)
    picture = Image.fromarray(image)
    picture.save(tmp_path / "a.png")
    for given in (picture, picture.convert("P"), picture.convert("CMYK"), tmp_path / "a.png", str(tmp_path / "a.png")):
        check(predictor.predict([given])[0], image)
    with pytest.raises(ValueError, match=r"got a single str; put an image in a list: \[image"):
        predictor.predict(str(tmp_path / "a.png"))


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_predict_rectangles_in_order_with_one_trace(batch_size):
    traces, inputs = [], []

    def model(batch):
        traces.append(batch["images"].shape.as_list())
        tf.py_function(lambda images: inputs.append(images.shape.as_list()), [batch["images"]], [])
        return helpers.brightness_model(batch)

    # enlarged to a short side of 64, as far as the long side stays within 192: 64 x 288 would be too long
    images = [
        helpers.grey_image(height, width, 40 + index)
        for index, (height, width) in enumerate([(32, 64), (64, 32), (20, 90), (32, 60), (50, 50)])
    ]
    results = Predictor(helpers.make_bundle(model, max_dim=192, shape="rectangle")).predict(
        images, batch_size=batch_size
    )
    for image, detections in zip(images, results, strict=True):
        check(detections, image)
    assert traces == [[None, None, None, 3]]
    assert {tuple(shape[1:3]) for shape in inputs} == {(64, 128), (128, 64), (64, 192), (64, 64)}
    assert sum(shape[0] for shape in inputs) == 5


def test_prepare_detect_and_finish_are_the_stages_of_a_prediction():
    predictor = Predictor(helpers.make_bundle(max_dim=128, shape="rectangle"))
    images = [helpers.grey_image(height, width, height) for height, width in ((64, 128), (128, 64), (60, 128))]
    batches = predictor.prepare(images)
    assert [batch.indices for batch in batches] == [(0, 2), (1,)]
    raw = [predictor.detect(batch) for batch in batches]
    assert [type(each.boxes) for each in raw] == [np.ndarray] * len(batches)
    found = predictor.finish(batches, raw)
    for image, detections in zip(images, found, strict=True):
        check(compact.to_dense(detections), image)


def greedy(most):
    """Makes a predictor without memory for more than `most` images."""
    predictor = Predictor(helpers.make_bundle())
    detect = predictor._detect

    def limited(images, windows):
        if len(images) > most:
            raise tf.errors.ResourceExhaustedError(
                None, None, "OOM when allocating tensor with shape[9,9] " + 500 * "a"
            )
        return detect(images, windows)

    predictor._detect = limited
    return predictor


@pytest.mark.parametrize(
    ("most", "line"),
    [
        (1, "out of memory for 2 model inputs of 64x64 pixels: use a smaller batch (OOM when allocating tensor"),
        (
            0,
            "out of memory for 1 model input of 64x64 pixels: use a model with a smaller `input_size`, or another "
            "device (OOM when",
        ),
    ],
)
def test_detect_names_the_batch_that_does_not_fit(most, line):
    predictor = greedy(most)
    with pytest.raises(OutOfMemory) as caught:
        predictor.predict(make_images(2), batch_size=most + 1)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value)) < 300
    assert len(predictor.predict(make_images(most), batch_size=1)) == most


def test_detect_leaves_other_errors():
    def model(batch):
        with tf.control_dependencies([tf.debugging.assert_less(batch["images"], 0.0)]):
            return tf.nest.map_structure(tf.identity, helpers.brightness_model(batch))

    with pytest.raises(tf.errors.InvalidArgumentError):
        Predictor(helpers.make_bundle(model)).predict(make_images(1))


@pytest.mark.parametrize(("most", "kept"), [(1, [0, 1, 2]), (0, [])])
def test_look_tries_a_batch_that_does_not_fit_image_by_image(most, kept):
    pictures = [helpers.make_picture(image[..., 0], index=index) for index, image in enumerate(make_images(3))]
    whole = regions.Method(
        lambda picture: [regions.Region((0, 0, *picture.image.shape[:2]))],
        lambda chosen, found, size: [regions.Part(each) for each in found],
    )
    failed: list[Exception] = []
    with Pipeline(greedy(most)) as pipeline:
        found = regions.predict_regions(
            pipeline, pictures, whole, batch_size=2, on_error=lambda picture, error: failed.append(error)
        )
        assert [picture.index for picture, _ in found] == kept
    assert len(failed) == 3 - len(kept)
    assert all(sources.why(error).startswith("out of memory for 1 model input of 64x64") for error in failed)
