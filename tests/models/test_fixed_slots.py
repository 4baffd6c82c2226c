"""Graphs of fixed shapes equal those that drop unused slots, have no dimension that depends on data, and compile."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models import mask_rcnn
from mrcnn.models.families.matterport import build_layers
from mrcnn.models.mask_rcnn import MaskRCNN, Numbers
from mrcnn.structures import Batch, Choices

SIDE, SLOTS, CHANNELS = 128, 4, 8
SETTINGS = {
    "anchor_sizes": (16, 32, 64, 96, 128),
    "fpn_channels": CHANNELS,
    "rpn_channels": CHANNELS,
    "box_fc_channels": CHANNELS,
    "pre_nms_topk": 40,
    "post_nms_topk_train": 30,
    "post_nms_topk": 20,
    "roi_samples": 12,
    "roi_positive_fraction": 0.5,
    "detections_per_image": 6,
    "score_threshold": 0.0,
}
WIDTHS = (8, 8, 8, 8)


class Strided(layers.Layer):
    """Four convolutions whose strides are those of C2 to C5."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(WIDTHS[0], 3, strides=2, padding="same", activation="relu")
        self.steps = [layers.Conv2D(width, 3, strides=2, padding="same", activation="relu") for width in WIDTHS]

    def build(self, input_shape):
        self.stem.build(input_shape)
        for step in self.steps:
            step.build((None, None, None, WIDTHS[0]))
        self.built = True

    def call(self, images, training=False):
        maps = [self.stem(images)]
        for step in self.steps:
            maps.append(step(maps[-1]))
        return maps[1:]


HOURGLASS = {"mask_head": "hourglass20", "mask_pool_size": 8, "mask_train_boxes": "ground_truth"}
POINTREND = {"mask_head": "pointrend", "mask_pool_size": 4}
POINTS = {"mask_supervision": "points"}


def build_model(**settings):
    keras.utils.set_random_seed(0)
    config = MatterportConfig(**{**SETTINGS, **settings})
    parts = build_layers(config, num_classes=3, feature_dtype="float32")._replace(backbone=Strided())
    return MaskRCNN(
        parts,
        Numbers(
            image_mean=(120.0, 120.0, 120.0),
            map_channels=(WIDTHS, CHANNELS),
            post_nms_topk_train=config.post_nms_topk_train,
            post_nms_topk=config.post_nms_topk,
            choices=Choices(score_threshold=0.0, detections_per_image=config.detections_per_image),
        ),
    )


@pytest.fixture
def model():
    return build_model()


@pytest.fixture(scope="module")
def batch():
    """Two images of noise: with two objects and without any."""
    rng = np.random.default_rng(0)
    boxes = np.zeros((2, SLOTS, 4), "float32")
    boxes[0, :2] = [[16, 16, 64, 64], [60, 70, 110, 120]]
    valid = np.array([[True, True, False, False], [False] * SLOTS])
    fields = Batch(
        images=rng.uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32"),
        windows=np.array([[0, 0, SIDE, SIDE]] * 2, "float32"),
        gt_boxes=boxes,
        gt_class_ids=(valid * np.array([1, 2, 0, 0])).astype("int32"),
        gt_masks=rng.integers(0, 256, (2, SLOTS, 16, 16)).astype("uint8"),
        gt_valid=valid,
        gt_ignore=np.zeros_like(valid),
        neutral=np.zeros((2, SIDE, SIDE), bool),
        image_ids=np.arange(2, dtype="int32"),
        seeds=np.array([3, 4], "int32"),
    )
    points = rng.uniform(16, 64, (2, SLOTS, 10, 3)).astype("float32")
    points[..., 2] = np.arange(10) % 3 - 1  # of the object, of the background and none
    return {name: tf.constant(value) for name, value in {**fields._asdict(), "gt_mask_points": points}.items()}


def training_step(model, batch):
    """Computes the losses and gradients of a batch, the gradients dense."""
    with tf.GradientTape() as tape:
        total, parts = model.losses_of(model(batch, training=True))
    gradients = tape.gradient(total, model.trainable_variables)
    return {"loss": total, **parts}, [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]


def assert_equal(found, expected):
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        one, other = np.asarray(one, "float32"), np.asarray(other, "float32")
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(other).max(initial=0.0)))


def unknown_shapes(graph):
    """Lists operations with an output of unknown shape, in the graph and in the functions it calls."""
    operations = [*graph.get_operations()]
    for name in graph.as_graph_def().library.function:
        operations += graph._get_function(name.signature.name).graph.get_operations()
    return [
        f"{operation.type} {operation.name} {output.shape}"
        for operation in operations
        # the axes over which a gradient is summed, which are constants once the shapes are known
        if operation.type != "BroadcastGradientArgs"
        # an argument of a loop that its condition does not read
        if "redundant_placeholder" not in operation.name
        for output in operation.outputs
        if output.dtype not in (tf.variant, tf.resource) and not output.shape.is_fully_defined()
    ]


def test_use_fixed_slots_changes_neither_losses_nor_gradients(model, batch):
    model.use_fixed_slots(False)
    dropped = training_step(model, batch)
    assert model(batch, training=True).heads[0].mask_logits.shape[0] < 12
    model.use_fixed_slots(True)
    assert model(batch, training=True).heads[0].mask_logits.shape[0] == 12  # 2 images of 12 x 0.5 slots
    assert float(dropped[0]["mrcnn_mask_loss"]) > 0
    assert_equal(training_step(model, batch), dropped)


def test_use_fixed_slots_changes_nothing_for_masks_learnt_from_points(batch):
    model, found = build_model(**POINTS), []
    for fixed in (False, True):
        model.use_fixed_slots(fixed)
        found.append(training_step(model, batch))
    assert float(found[0][0]["mrcnn_mask_loss"]) > 0
    assert_equal(found[1], found[0])


@pytest.mark.parametrize("boxes", ["ground_truth", "both"])
def test_use_fixed_slots_changes_nothing_for_the_objects_own_boxes(batch, boxes):
    model = build_model(mask_train_boxes=boxes)
    found, most = [], {"ground_truth": SLOTS, "both": SLOTS + 6}[boxes]
    for fixed in (False, True):
        model.use_fixed_slots(fixed)
        assert (model(batch, training=True).heads[0].mask_logits.shape[0] == 2 * most) == fixed
        found.append(training_step(model, batch))
    assert float(found[0][0]["mrcnn_mask_loss"]) > 0
    assert_equal(found[1], found[0])


@pytest.mark.parametrize("score_threshold", [0.0, 1.0])  # detections in every slot, and in none
def test_use_fixed_slots_changes_no_detection(model, batch, score_threshold):
    model.choices = model.choices._replace(score_threshold=score_threshold)
    model.use_fixed_slots(False)
    dropped = model(batch)
    assert np.asarray(dropped.valid).any() == (score_threshold == 0.0)
    model.use_fixed_slots(True)
    assert_equal(model(batch), dropped)


@pytest.mark.parametrize("visible", [False, True])
def test_use_fixed_slots_is_the_default_with_a_gpu_and_under_xla(monkeypatch, visible):
    monkeypatch.setattr(mask_rcnn.accelerator, "prefers_fixed_shapes", lambda: visible)
    model = build_model()
    assert model.heads[0].fixed_slots == visible
    for jit_compile, expected in ((True, True), (False, visible)):
        model.compile(optimizer="sgd", jit_compile=jit_compile)
        assert model.heads[0].fixed_slots == expected


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {**HOURGLASS, **POINTS}, POINTREND])
def test_fixed_slots_leave_no_shape_to_the_data(batch, settings):
    model = build_model(**settings)

    def trace(step):
        return tf.function(step, autograph=False).get_concrete_function().graph

    model.use_fixed_slots(False)
    assert unknown_shapes(trace(lambda: training_step(model, batch)))
    model.use_fixed_slots(True)
    assert unknown_shapes(trace(lambda: training_step(model, batch))) == []
    assert unknown_shapes(trace(lambda: model.validate(batch))) == []


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {**HOURGLASS, **POINTS}, POINTREND])
def test_jit_compile_of_a_training_step_equals_the_plain_graph(batch, settings):
    def step(jit_compile):
        model = build_model(**settings)
        model.compile(optimizer=keras.optimizers.SGD(0.01), jit_compile=jit_compile)
        history = model.fit(tf.data.Dataset.from_tensors(batch), epochs=1, verbose=0).history
        return history, [np.asarray(weight) for weight in model.trainable_weights]

    assert_equal(step(True), step(False))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, POINTREND])
def test_jit_compile_of_detection_equals_the_plain_graph(batch, settings):
    model = build_model(**settings)
    model.use_fixed_slots(True)
    inputs = {name: batch[name] for name in ("images", "windows")}
    plain, compiled = (tf.function(lambda: model(inputs), jit_compile=jit, autograph=False)() for jit in (False, True))
    assert np.asarray(plain.valid).any()
    assert_equal(compiled, plain)
