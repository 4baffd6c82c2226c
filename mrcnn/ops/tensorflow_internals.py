"""Private names of TensorFlow that this project uses; no other file uses one.

TensorFlow has no public way to switch off a single pass of its graph optimizer, Grappler, except those that
`tf.config.optimizer` lists, to choose how a tape adds gradients, or to unregister a custom gradient. A TensorFlow
release may rename what is used here; the tests of this file then fail.
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

_KEPT = "_mrcnn_gradients"  # attribute of a graph: its custom gradient functions, by registered name


@contextlib.contextmanager
def sums_in_fixed_order() -> Iterator[None]:
    """Fixes the order in which gradients are added, in graphs traced inside.

    The graphs must also run for the first time inside, on this thread. A float sum depends on its order. In two places
    TensorFlow's order depends on which thread finishes first, so two runs of one seed differ;
    `tf.config.experimental.enable_op_determinism` does not change that:

    * The gradients of a tensor or weight that three or more operations read are added by one `AddN`, which begins with
      a gradient whose memory it may overwrite. Here they are added one after the other.
    * In graphs that need more than about 200 MB, Grappler's memory pass replaces a sum of three or more tensors by
      additions in the order in which the tensors are computed. Here the pass is switched off.
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
        return backprop._aggregate_grads(gradients)  # `IndexedSlices`: TensorFlow concatenates them in order
    total = gradients[0]
    for gradient in gradients[1:]:
        # `ensure_shape` keeps Grappler from merging these additions into one `AddN`
        total = tf.ensure_shape(total + gradient, total.shape)
    return total


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """`tf.custom_gradient`, except that the graph is freed with the model.

    TensorFlow registers the gradient function of each use in a graph for the life of the process. The function refers
    to the graph, and the graph to the model's weights, so without this no model would ever be freed.

    Args:
        function: of tensors; returns a tensor or a tuple of tensors, and a function of their gradients that returns the
            gradients of the arguments.

    Returns:
        A function of the same tensors, with that gradient; returns the result of `function`.
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
    """Makes graphs traced inside collectable although they contain custom gradients.

    For calls of `tf.custom_gradient` in other packages: Keras's optimizer makes one when it adds the gradients up over
    the devices, even on one device.
    """
    before = set(gradient_registry.list())
    try:
        yield
    finally:
        for name in set(gradient_registry.list()) - before:
            # the registered function closes over `tape_grad_fn`, and that over the results of the operation
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
