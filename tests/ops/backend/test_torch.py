"""The parts of PyTorch; `make test-backends` runs them in an environment of its own."""

import keras
import numpy as np
import pytest

from mrcnn.ops.backend.current import native
from mrcnn.predict.predictor import Predictor
from tests.ops.backend import suppression

if native.NAME != "PyTorch":
    pytest.skip("KERAS_BACKEND is not torch: run make test-backends", allow_module_level=True)
import torch


def nms(boxes, scores, **settings):
    return native.nms(torch.tensor(boxes), torch.tensor(scores), **settings)


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.7])
@pytest.mark.parametrize("kernel", [True, False])
def test_nms_is_the_greedy_loop_with_and_without_torchvision(monkeypatch, kernel, threshold):
    assert native.torchvision is not None
    if not kernel:
        monkeypatch.setattr(native, "torchvision", None)
    suppression.assert_greedy(nms, *suppression.crowd(300, images=2), iou_threshold=threshold, max_outputs=90)


def test_nms_of_no_boxes():
    index, used = nms(np.zeros((1, 0, 4), np.float32), np.zeros((1, 0), np.float32), iou_threshold=0.5, max_outputs=2)
    assert (index.tolist(), used.tolist()) == ([[0, 0]], [[False, False]])


def test_nms_compares_with_the_threshold_in_float32():
    # IoU 3 / 10 in float32 is above 0.3 in float64, and equal to 0.3 in float32: the box is kept, as by TensorFlow
    boxes, scores = np.float32([[[0, 0, 1, 10], [0, 0, 1, 3]]]), np.float32([[0.9, 0.8]])
    _, used = nms(boxes, scores, iou_threshold=0.3, max_outputs=2)
    assert used.tolist() == [[True, True]]


def test_compiled_converts_arrays_and_records_no_gradients():
    weight = keras.Variable(np.float32([2, 3]))
    graph = native.compiled(lambda values: values * weight, [((None, 2), "float32")], weights=list)
    found = graph(np.int64([[1, 1]]))
    assert (found.tolist(), found.dtype, found.requires_grad) == ([[2, 3]], torch.float32, False)


def test_the_machine_without_a_gpu():
    assert native.gpus() == native.visible_gpus() == []
    native.show_gpus([])
    assert native.visible_gpus() == []
    assert not native.prefers_fixed_shapes()


def test_the_log_of_inference_has_no_graph():
    assert not native.BUILDS_GRAPH
    assert not Predictor.builds_graph


def test_allow_tf32_sets_products_and_convolutions():
    for allowed in (False, True):
        native.allow_tf32(allowed)
        assert native.tf32_is_allowed() is torch.backends.cuda.matmul.allow_tf32 is allowed


def test_errors_are_those_of_full_memory():
    assert issubclass(torch.OutOfMemoryError, native.ERRORS)


def test_custom_gradient_is_the_given_one():
    function = native.custom_gradient(lambda value: (2.0 * value, lambda upstream: 7.0 * upstream))
    value = torch.ones((), requires_grad=True)
    with native.training():
        result = function(value)
        result.backward()
    assert (result.item(), value.grad.item()) == (2.0, 7.0)
