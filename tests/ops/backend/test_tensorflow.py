"""The backend functions for TensorFlow; test_nms.py and test_device.py test them in use."""

import numpy as np
import pytest
from keras import ops

from mrcnn.ops.backend.current import native
from tests.ops.backend import suppression

if native.NAME != "TensorFlow":
    pytest.skip("KERAS_BACKEND is not tensorflow", allow_module_level=True)
import tensorflow as tf


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.7])
def test_nms_is_the_greedy_loop(threshold):
    boxes, scores = suppression.crowd(90, images=2)
    suppression.assert_greedy(native.nms, boxes, scores, iou_threshold=threshold, max_outputs=60)


def test_compiled_traces_once_for_all_lengths():
    traced = []

    def double(values):
        traced.append(values.shape)
        return ops.stack([values, values])

    graph = native.compiled(double, [((None, 2), "float32")], weights=list)
    assert graph(np.float32([[1, 2]])).numpy().tolist() == [[[1, 2]], [[1, 2]]]
    assert graph(np.zeros((3, 2), np.float32)).shape == (2, 3, 2)
    assert len(traced) == 1


@pytest.mark.parametrize(("waits", "expected"), [(True, ["Square"]), (False, [])])
def test_after_computes_when_the_tensor_is_there(waits, expected):
    @tf.function
    def exponential(value):
        square = ops.square(value)
        with native.after(square if waits else None):
            return ops.exp(value) + square

    operations = exponential.get_concrete_function(tf.TensorSpec([2])).graph.get_operations()
    [found] = [each for each in operations if each.type == "Exp"]
    assert [each.type for each in found.control_inputs] == expected


def test_after_in_eager_mode_changes_nothing():
    with native.after(ops.ones(2)), native.after(None):
        assert ops.exp(ops.zeros(1)).numpy().tolist() == [1.0]


def test_capability_of_a_gpu_without_one(monkeypatch):
    for details, expected in (({}, None), ({"compute_capability": (8, 6)}, (8, 6))):
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu, details=details: details)
        assert native.capability("gpu") == expected


def test_errors_are_those_of_full_memory():
    assert issubclass(tf.errors.ResourceExhaustedError, native.ERRORS)
    assert not issubclass(ValueError, native.ERRORS)
