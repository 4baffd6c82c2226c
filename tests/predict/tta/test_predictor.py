"""Test-time augmentation with networks of a few lines; one slow test has a real one."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config.families.torchvision import TorchvisionConfig
from mrcnn.config.input_size import InputSize
from mrcnn.config.load import load_mode
from mrcnn.config.tta import TtaConfig
from mrcnn.errors import OutOfMemory
from mrcnn.model_folder.read import ModelBundle
from mrcnn.predict import modes
from mrcnn.predict.pipeline import Pipeline
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.tta.predictor import AugmentedPredictor, predictor_of
from mrcnn.predict.tta.views import View
from mrcnn.project.annotation import Label
from mrcnn.project.geometry import Rectangle
from tests.models.small import SETTINGS, build_model
from tests.predict import helpers

from . import networks

KEYPOINTS = {"extra_heads": ("keypoints",), "keypoints": networks.POINTS}
STRAIGHT_AND_MIRRORED = View(64, 64), View(64, 64, flip=True)
ONE_VIEW = TtaConfig(min_dims=(64,), max_dim=64, flip=False)


def make(find, describe, *, views=STRAIGHT_AND_MIRRORED, shape="rectangle", **config):
    """Makes a predictor over the two functions of a network, whose usual input is 64 pixels."""
    network = networks.Halves(find, describe)
    bundle = helpers.make_bundle(network, shape=shape, **{"score_threshold": 0.1, **config})
    return AugmentedPredictor(bundle, views)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for field in ("boxes", "class_ids", "scores"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
        assert (one.class_names, one.size) == (other.class_names, other.size)
        assert len(one.masks) == len(other.masks)
        for left, right in zip(one.masks, other.masks, strict=True):
            assert left.box == right.box
            np.testing.assert_array_equal(left.bits, right.bits)
        assert one.extras.keys() == other.extras.keys()
        for name, values in other.extras.items():
            np.testing.assert_array_equal(one.extras[name], values)


# two boxes of one class that overlap, which the model's own NMS may have kept; one below the score threshold
SEVERAL = networks.shares(
    (0.137, 0.211, 0.713, 0.618, 1, 0.5),
    (0.141, 0.213, 0.717, 0.611, 1, 0.9),
    (0.333, 0.1, 0.99, 0.97, 2, 0.5),
    (0.2, 0.2, 0.9, 0.9, 2, 0.01),
)


@pytest.mark.parametrize(
    ("shape", "fit", "round_boxes"),
    [
        ("rectangle", "centred", "never"),
        ("rectangle", "detectron2", "never"),
        (None, "centred", "at_end"),
        (None, "centred", "before_nms"),
    ],
)
def test_predictor_of_one_usual_view_is_the_plain_result(shape, fit, round_boxes):
    network = networks.Halves(SEVERAL, networks.of_boxes)
    config = {"image_fit": fit, "round_boxes": round_boxes, "score_threshold": 0.1, **KEYPOINTS}
    bundle = helpers.make_bundle(network, shape=shape, **config)
    rng = np.random.default_rng(0)
    sizes = ((37, 91), (100, 60), (64, 64), (33, 17))
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    plain, once = Predictor(bundle), predictor_of(bundle, ONE_VIEW)
    for batch_size in (1, 4):
        expected = plain.predict_compact(images, batch_size=batch_size)
        assert [len(each.scores) for each in expected] == [3] * 4
        assert_same(once.predict_compact(images, batch_size=batch_size), expected)


def test_predictor_of_without_settings_is_a_plain_predictor():
    lines = []
    bundle = helpers.make_bundle()
    assert type(predictor_of(bundle, None, say=lines.append)) is Predictor
    assert lines == []


def test_predictor_of_lists_its_views():
    lines = []
    bundle = helpers.make_bundle(networks.Halves(SEVERAL, networks.of_boxes), shape="rectangle")
    found = predictor_of(bundle, TtaConfig(), say=lines.append)
    assert (len(found.views), found.views[1]) == (18, View(32, 32, flip=True))
    assert lines == [
        "test-time augmentation: 18 views of each image or region, with short sides of 32, 40, 48, 56, 64, 72, 80, 88, "
        "96 pixels, also mirrored"
    ]


def symmetric_image():
    """Two bright blocks of 8 x 6 pixels, mirror images of each other."""
    image = np.zeros((32, 64, 3), np.uint8)
    image[10:18, 5:11] = image[10:18, 53:59] = 255
    return image


def test_flip_of_a_symmetric_image_has_symmetric_boxes_and_masks():
    predictor = make(networks.left_block, networks.constant([[0.9, 0.3], [0.7, 0.1]]))
    [found] = predictor.detect(predictor.prepare([symmetric_image()])[0])
    # the network sees the left block alone; in the mirror image that is the right one
    assert found.boxes.tolist() == [[10, 5, 18, 11], [10, 53, 18, 59]]
    # each is the mean of the mask and its mirror image: (0.9 + 0.3) / 2, (0.7 + 0.1) / 2
    np.testing.assert_allclose(found.masks, [[[0.6, 0.6], [0.4, 0.4]]] * 2, rtol=1e-6)
    [found] = predictor.predict([symmetric_image()])
    np.testing.assert_array_equal(found.masks[0], found.masks[1][:, ::-1])
    assert found.masks[0][10:14, 5:11].all()  # the upper half, 0.6
    assert not found.masks[0][15:].any()  # the lower one, 0.4


def test_detect_merges_the_boxes_of_views_of_one_object():
    # in the larger view the object's box is a little larger, and its score is higher
    def find(images, windows):
        large = tf.cast(tf.shape(images)[2] > 64, tf.float32)
        return networks.detections(
            windows[:, None] * (0.5 + 0.01 * large), [1], tf.fill([tf.shape(images)[0], 1], 0.8 + 0.1 * large)
        )

    predictor = make(find, networks.constant([[1.0]]), views=[View(64, 64), View(128, 128)])
    [found] = predictor.detect(predictor.prepare([np.zeros((64, 64, 3), np.uint8)])[0])
    np.testing.assert_allclose(found.boxes, [[0, 0, 32.64, 32.64]], rtol=1e-6)  # 0.51 * 128 / 2
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)


def test_detect_averages_the_masks_of_all_views():
    def describe(images, windows, boxes):
        value = tf.where(tf.shape(images)[2] > 64, 0.75, 0.05)
        return {"masks": tf.fill([tf.shape(boxes)[0], boxes.shape[1], 2, 2], value)}

    views = [View(64, 64), View(128, 128), View(128, 128, flip=True)]
    predictor = make(networks.shares((0.2, 0.2, 0.7, 0.8, 1, 0.9)), describe, views=views)
    [found] = predictor.detect(predictor.prepare([np.zeros((50, 40, 3), np.uint8)])[0])
    np.testing.assert_allclose(found.masks[0], np.full((2, 2), (0.05 + 0.75 + 0.75) / 3), rtol=1e-6)


def test_detect_exchanges_left_and_right_points_of_mirrored_views():
    # the network always finds `left` at column 10 and `right` at column 40 of its input
    points = [[10, 20, 0.5], [40, 24, 0.25]]
    predictor = make(
        networks.shares((0.1, 0.1, 0.9, 0.9, 1, 0.9)), networks.constant([[1.0]], keypoints=points), **KEYPOINTS
    )
    [found] = predictor.detect(predictor.prepare([np.zeros((64, 64, 3), np.uint8)])[0])
    # mirrored: left (64 - 40, 24) by 0.25, right (64 - 10, 20) by 0.5
    left = [(10 * 0.5 + 24 * 0.25) / 0.75, (20 * 0.5 + 24 * 0.25) / 0.75, 0.375]
    right = [(40 * 0.25 + 54 * 0.5) / 0.75, (24 * 0.25 + 20 * 0.5) / 0.75, 0.375]
    np.testing.assert_allclose(found.extras["keypoints"], [[left, right]], rtol=1e-6)


def test_detect_of_images_without_objects():
    predictor = make(networks.left_block, networks.constant([[1.0]], keypoints=[[1, 1, 1]] * 2), **KEYPOINTS)
    empty = np.zeros((32, 64, 3), np.uint8)
    found = predictor.predict_compact([empty, symmetric_image(), empty], batch_size=3)
    assert [len(each.scores) for each in found] == [0, 2, 0]
    assert found[0].extras["keypoints"].shape == (0, 2, 3)
    network = predictor.bundle.model
    assert [shape[0] for shape in network.found] == [3, 3]
    assert [shape[0] for shape in network.described] == [1, 1]  # of the image with objects alone
    predictor.predict([empty])
    assert len(network.described) == 2


def test_detect_has_one_view_at_a_time_and_describes_all_of_them():
    views = [View(64, 64), View(128, 192), View(128, 192, flip=True)]
    predictor = make(SEVERAL, networks.of_boxes, views=views, image_fit="detectron2", **KEYPOINTS)
    images = [np.zeros((40, 60, 3), np.uint8), np.zeros((60, 40, 3), np.uint8), np.zeros((40, 60, 3), np.uint8)]
    found = predictor.predict_compact(images, batch_size=3)
    network, large = predictor.bundle.model, [(2, 128, 192, 3), (1, 192, 128, 3)]
    assert network.found == [(3, 64, 64, 3), *large, *large]  # 43 x 64 and 64 x 43 pixels in 64 x 64
    assert network.described == network.found
    assert [each.size for each in found] == [(40, 60), (60, 40), (40, 60)]
    assert_same([found[0]], [found[2]])


def test_detect_of_square_views_has_a_graph_for_each_side():
    config = {"score_threshold": 0.1, **KEYPOINTS}
    bundle = helpers.make_bundle(networks.Halves(SEVERAL, networks.of_boxes), **config)
    predictor = predictor_of(bundle, TtaConfig(min_dims=(64, 96), flip=False))
    assert predictor.views == (View(64, 64, side=64), View(96, 96, side=128))
    predictor.predict([np.zeros((30, 64, 3), np.uint8)])
    assert bundle.model.found == bundle.model.described == [(1, 64, 64, 3), (1, 128, 128, 3)]


def test_predictor_of_a_model_of_boxes_alone_has_one_pass():
    def refuse(images, windows, boxes):
        raise AssertionError("there are no heads")

    config = TorchvisionConfig(heads=(), score_threshold=0.1)
    network = networks.Halves(SEVERAL, refuse)
    bundle = ModelBundle(
        network, ("bg", "cat", "dog"), (), InputSize(min_dim=64, max_dim=64, shape="rectangle"), config
    )
    [found] = predictor_of(bundle, TtaConfig(min_dims=(64,), flip=False)).predict([np.zeros((64, 64, 3), np.uint8)])
    assert found.masks.shape == (3, 64, 64)
    assert found.masks[0, 10:45, 15:39].all()  # its whole box


def test_with_choices_changes_the_merging():
    rows = ((0.1, 0.1, 0.5, 0.5, 1, 0.9), (0.1, 0.1, 0.5, 0.6, 1, 0.8), (0.7, 0.1, 0.9, 0.5, 2, 0.3))
    predictor = make(networks.shares(*rows), networks.constant([[1.0]]))
    image = [np.zeros((64, 64, 3), np.uint8)]

    def count(**choices):
        return len(predictor.with_choices(**choices).predict(image)[0].scores)

    # the second box covers columns 6.4..38.4, in the mirrored view 25.6..57.6: an IoU of 12.8 / 51.2 = 0.25
    assert (count(), count(detection_nms_iou_threshold=0.2)) == (6, 5)
    assert count(score_threshold=0.5) == 4
    assert count(detections_per_image=1) == 1
    assert type(predictor.with_choices(score_threshold=0.5)) is AugmentedPredictor


def test_detect_suppresses_across_classes_where_the_model_does():
    def find(images, windows):  # class 1 in the small view, class 2 in the large one
        large = tf.shape(images)[2] > 64
        found = networks.detections(windows[:, None] * 0.5, [1], tf.fill([tf.shape(images)[0], 1], 0.9))
        return found._replace(class_ids=found.class_ids + tf.cast(large, tf.int32))

    views, image = [View(64, 64), View(128, 128)], [np.zeros((64, 64, 3), np.uint8)]
    for scope, names in (("class", ("cat", "dog")), ("all", ("cat",))):
        predictor = make(find, networks.constant([[1.0]]), views=views, detection_nms_scope=scope)
        assert predictor.predict(image)[0].class_names == names


def test_prepare_refuses_what_is_no_image():
    predictor = make(SEVERAL, networks.of_boxes)
    with pytest.raises(ValueError, match="image 1: an image must be uint8"):
        predictor.prepare([np.zeros((8, 8), np.uint8), np.zeros((8, 8))])


def test_detect_names_what_to_lower_where_a_view_does_not_fit(monkeypatch):
    predictor = make(SEVERAL, networks.of_boxes)

    def full(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    predictor._find = {None: full}
    with pytest.raises(OutOfMemory, match=r"64x64 pixels: use smaller `tta.min_dims`, or another device"):
        predictor.predict([np.zeros((64, 64, 3), np.uint8)])


@pytest.mark.parametrize("name", modes.RUNNERS)
def test_every_mode_runs_with_views(name):
    settings = {
        "roi": {"bounds": {"top": "2px"}},
        "sliding_window": {"window": {"width": 32, "height": 32}},
        "sliding_window_det": {"window": {"width": 32, "height": 32}},
    }
    mode = load_mode({"name": name, **settings.get(name, {})})
    label = Label("cat", Rectangle([[0, 0], [63, 31]]))  # for `bboxes`
    predictor = make(networks.left_block, networks.constant([[1.0]]))
    picture = helpers.make_picture(symmetric_image()[..., 0], labels=[label])
    with Pipeline(predictor) as pipeline:
        [(_, found)] = modes.RUNNERS[name](pipeline, [picture], mode, batch_size=2)
    assert found.detections.boxes.tolist() == [[10, 5, 18, 11], [10, 53, 18, 59]]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "conventions"), [("rectangle", {}), (None, {"compatibility": "matterport"})])
def test_predictor_of_one_usual_view_is_the_plain_result_of_a_real_network(shape, conventions):
    settings = {**SETTINGS, **conventions}
    bundle = helpers.make_bundle(build_model(**settings), max_dim=128, shape=shape, **settings)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((90, 120), (64, 128))]
    expected = Predictor(bundle).predict_compact(images)
    assert sum(len(each.scores) for each in expected) > 0
    size = bundle.input_size
    once = TtaConfig(min_dims=(size.min_dim,), max_dim=size.max_dim, flip=False)
    assert_same(predictor_of(bundle, once).predict_compact(images), expected)
    several = predictor_of(bundle, TtaConfig(min_dims=(64, 128), max_dim=size.max_dim))
    assert len(several.views) == 4
    for found, image in itertools.zip_longest(several.predict_compact(images, batch_size=2), images):
        assert found.size == image.shape[:2]
        assert len(found.scores) <= SETTINGS["detections_per_image"]
