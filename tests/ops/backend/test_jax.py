"""The parts of JAX; `make test-backends` runs them in an environment of its own."""

import keras
import numpy as np
import pytest
from keras import ops

from mrcnn.ops.backend.current import native
from tests.ops.backend import suppression

if native.NAME != "JAX":
    pytest.skip("KERAS_BACKEND is not jax: run make test-backends", allow_module_level=True)
import jax


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.7])
def test_nms_is_the_greedy_loop_eager_and_compiled(threshold):
    boxes, scores = suppression.crowd(600, images=2)
    given = {"iou_threshold": threshold, "max_outputs": 90}
    suppression.assert_greedy(native.nms, boxes, scores, **given)
    compiled = jax.jit(native.nms, static_argnames=tuple(given))
    suppression.assert_greedy(compiled, boxes, scores, **given)


def test_compiled_reads_the_weights_of_each_call():
    weight = keras.Variable(np.float32([2, 3]))
    traced = []

    def scaled(values):
        traced.append(values.shape)
        return {"scaled": values * weight}

    graph = native.compiled(scaled, [((None, 2), "float32")], weights=lambda: [weight])
    assert np.asarray(graph(np.float32([[1, 1]]))["scaled"]).tolist() == [[2, 3]]
    weight.assign([4, 5])
    assert np.asarray(graph(np.float32([[1, 2]]))["scaled"]).tolist() == [[4, 10]]
    assert len(traced) == 1


def test_a_training_step_differentiates_around_the_suppression():
    boxes, scores = suppression.crowd(20)

    def loss(values):
        index, used = native.nms(jax.lax.stop_gradient(values), scores, iou_threshold=0.4, max_outputs=5)
        return ops.sum(ops.take_along_axis(values, index[..., None], axis=1) * used[..., None])

    slopes = np.asarray(jax.jit(jax.grad(loss))(boxes))[0]
    kept = suppression.greedy(boxes[0], scores[0], iou_threshold=0.4, max_outputs=5)
    assert np.flatnonzero(slopes.any(axis=1)).tolist() == sorted(kept)


def test_the_machine_without_a_gpu():
    assert native.gpus() == native.visible_gpus() == []
    native.show_gpus([])
    assert native.visible_gpus() == []
    assert native.prefers_fixed_shapes()


class Gpu:
    platform = "gpu"

    def __init__(self, capability):
        self.compute_capability = capability


def test_capability_is_read_from_the_text():
    assert native.capability(Gpu("9.0")) == (9, 0)
    assert native.capability(Gpu("gfx942")) is None
    assert native.capability(object()) is None


def test_tf32_is_the_default_precision():
    assert native.tf32_is_allowed()
    native.allow_tf32(False)
    assert not native.tf32_is_allowed()
    native.allow_tf32(True)
    assert native.tf32_is_allowed()


def test_custom_gradient_is_the_given_one():
    function = native.custom_gradient(lambda value: (2.0 * value, lambda upstream: 7.0 * upstream))
    with native.training():
        value, gradient = jax.value_and_grad(function)(ops.ones(()))
    assert (float(value), float(gradient)) == (2.0, 7.0)
