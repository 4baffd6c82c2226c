"""Graphs of fixed shapes equal those that drop unused slots, have no dimension that depends on data, and compile."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.models import keras_habits, mask_rcnn

from .small import HOURGLASS, POINTREND, POINTS, SLOTS, build_model, make_batch, training_step


@pytest.fixture
def model():
    return build_model()


@pytest.fixture(scope="module")
def batch():
    return make_batch()


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


@pytest.mark.parametrize(
    ("asked", "compiled"),
    [({}, True), ({"jit_compile": None}, True), ({"jit_compile": False}, False), ({"run_eagerly": True}, False)],
)
def test_compile_uses_xla_on_jax_unless_told_otherwise(monkeypatch, asked, compiled):
    monkeypatch.setattr(keras_habits.native, "COMPILES_STEPS", True)
    model = build_model()
    model.compile(optimizer="sgd", **asked)
    assert (model.jit_compile, model.heads[0].fixed_slots) == (compiled, compiled)


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
