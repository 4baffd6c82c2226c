"""Private names of TensorFlow that this project uses; no other file uses one.

TensorFlow has no public way to switch off a single pass of its graph optimizer, Grappler, except those that
`tf.config.optimizer` lists. A TensorFlow release may rename what is used here; the tests of this file then fail.
"""

import contextlib
import inspect
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop, context
from tensorflow.python.framework.ops import gradient_registry

_KEPT = "_mrcnn_gradients"  # attribute of a graph: gradient functions by the names under which they are registered


@contextlib.contextmanager
def sums_in_fixed_order() -> Iterator[None]:
    """Adds in a fixed order in the graphs that are traced and first run meanwhile, the run by this thread.

    A float sum depends on its order, so two runs of one seed would differ where the order depends on what other threads
    have finished; `tf.config.experimental.enable_op_determinism` does not change that. It does in two places, when
    several operations read a weight or a tensor and their gradients are added:

    * TensorFlow adds three or more with one `AddN`, which begins with one whose memory it may overwrite. They are added
      one after the other instead.
    * In graphs that need more than about 200 MB, Grappler's memory pass replaces a sum of three or more tensors by
      additions in the order in which the tensors happen to be computed. The pass is switched off.
    """
    eager = context.context()
    before, config = eager.function_call_options, eager.config
    config.graph_options.rewrite_options.memory_optimization = RewriterConfig.NO_MEM_OPT
    eager.function_call_options = context.FunctionCallOptions(before.executor_type, config)
    pywrap_tfe.TFE_Py_RegisterVSpace(backprop._default_vspace._replace(aggregate_fn=_add_in_order))
    try:
        yield
    finally:
        eager.function_call_options = before
        pywrap_tfe.TFE_Py_RegisterVSpace(backprop._default_vspace)


def _add_in_order(gradients: Sequence[Any]) -> Any:
    """Adds gradients from first to last."""
    if not all(isinstance(gradient, tf.Tensor) for gradient in gradients):
        return backprop._aggregate_grads(gradients)  # slices of a tensor, which are concatenated in order
    total = gradients[0]
    for gradient in gradients[1:]:
        # Grappler merges no sum behind `ensure_shape` with the next one into a sum of any order
        total = tf.ensure_shape(total + gradient, total.shape)
    return total


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Does what `tf.custom_gradient` does, but lets the graph be freed.

    TensorFlow registers the gradient function of each use in a graph for the life of the process. The function holds
    the graph, and the graph its model's weights, so no model that was ever used would be freed.

    Args:
        function: of tensors; returns a tensor or a tuple of tensors, and a function of their gradients that returns the
            gradients of the arguments.

    Returns:
        A function of the same tensors that returns the first of the two.
    """

    def call(*args: Any) -> Any:
        result = tf.custom_gradient(function)(*args)
        if not tf.executing_eagerly():
            operation = tf.nest.flatten(result)[0].op
            _move_to_graph(operation.get_attr("_gradient_op_type").decode(), operation.graph)
        return result

    return call


@contextlib.contextmanager
def freed_with_model() -> Iterator[None]:
    """Lets all graphs be freed that are traced meanwhile, whoever calls `tf.custom_gradient` in them.

    Keras's optimizer does, when it adds the gradients of all devices up, even if there is one device.
    """
    before = set(gradient_registry.list())
    try:
        yield
    finally:
        for name in set(gradient_registry.list()) - before:
            # what TensorFlow registers calls a function that holds the results of the operation
            inner = inspect.getclosurevars(gradient_registry.lookup(name)).nonlocals.get("tape_grad_fn")
            if inner is not None:
                result = inspect.getclosurevars(inner).nonlocals["result"]
                _move_to_graph(name, tf.nest.flatten(result)[0].graph)


def _move_to_graph(name: str, graph: tf.Graph) -> None:
    """Moves a gradient function from TensorFlow's registry to the graph that uses it."""
    registered = gradient_registry._registry
    setattr(graph, _KEPT, getattr(graph, _KEPT, {}) | {name: registered.pop(name)["type"]})
    owner = weakref.ref(graph)

    @tf.RegisterGradient(name)
    def gradient(operation: tf.Operation | None, *upstream: Any) -> Any:
        return getattr(owner(), _KEPT)[name](operation, *upstream)

    weakref.finalize(graph, registered.pop, name, None)
