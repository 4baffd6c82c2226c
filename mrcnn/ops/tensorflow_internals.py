"""Private names of TensorFlow that this project uses; no other file uses one.

TensorFlow has no public way to switch off a single pass of its graph optimizer, Grappler, except those that
`tf.config.optimizer` lists, to choose how a tape adds gradients, or to unregister a custom gradient. A TensorFlow
release may rename what is used here; the tests of this file then fail.
"""

import contextlib
import inspect
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop, context
from tensorflow.python.framework.ops import EagerTensor, gradient_registry

_LAST = "_mrcnn_computed_last"  # attribute of the operation whose result is such a gradient
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
    _ordered.enter()
    try:
        yield
    finally:
        eager.function_call_options = before
        _ordered.leave()


class _Ordered:
    """Counts the contexts of all threads in which tapes add gradients in order; a tape's way to add is global."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def enter(self) -> None:
        """Makes tapes add in order, from the first context on."""
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                pywrap_tfe.TFE_Py_RegisterVSpace(backprop._default_vspace._replace(aggregate_fn=_add_in_order))

    def leave(self) -> None:
        """Makes tapes add by TensorFlow's function again after the last context."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                pywrap_tfe.TFE_Py_RegisterVSpace(backprop._default_vspace)


_ordered = _Ordered()


def computed_last(gradient: Any) -> Any:
    """Marks a gradient that depends on its variable alone; inside `sums_in_fixed_order` it waits for the others.

    Args:
        gradient: a tensor; one that is computed eagerly is not marked, since it is there already.
    """
    if not tf.executing_eagerly():
        gradient.op._set_attr(_LAST, AttrValue(b=True))
    return gradient


def _is_last(gradient: tf.Tensor) -> bool:
    return not isinstance(gradient, EagerTensor) and _LAST in gradient.op.node_def.attr


def _add_in_order(gradients: Sequence[Any]) -> Any:
    """Adds gradients from first to last."""
    if any(not isinstance(gradient, tf.Tensor) or gradient.dtype == tf.variant for gradient in gradients):
        return backprop._aggregate_grads(gradients)  # `IndexedSlices`, which are concatenated in order, or lists
    for gradient in gradients:
        if _is_last(gradient):
            gradient.op._add_control_inputs([other.op for other in gradients if not _is_last(other)])
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
        function: of tensors; a variable counts as its value. It returns a tensor or a tuple of tensors, and a function
            of their gradients that returns the gradients of the arguments.

    Returns:
        A function of the same tensors, with that gradient; returns the result of `function`.
    """

    def call(*args: Any) -> Any:
        if _tracing.forward_only:
            return function(*args)[0]
        result = tf.custom_gradient(function)(*map(tf.convert_to_tensor, args))  # a variable would be a hidden input
        if not tf.executing_eagerly():
            operation = tf.nest.flatten(result)[0].op
            _move_to_graph(operation.get_attr("_gradient_op_type").decode(), operation.graph)
        return result

    return call


class _Tracing(threading.local):
    """What this thread traces."""

    forward_only = False


_tracing = _Tracing()


@contextlib.contextmanager
def forward_only() -> Iterator[None]:
    """Leaves the gradients of `custom_gradient` out of graphs traced inside by this thread; they are for inference."""
    before, _tracing.forward_only = _tracing.forward_only, True
    try:
        yield
    finally:
        _tracing.forward_only = before


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
        for name in {*gradient_registry.list()} - before:
            graph = _graph_of(gradient_registry._registry.get(name, {}).get("type"))
            if graph is not None:
                _move_to_graph(name, graph)


def _graph_of(function: Any) -> tf.Graph | None:
    """Returns the graph that a registered gradient function of `tf.custom_gradient` refers to; None for others."""
    for name in ("tape_grad_fn", "result"):  # it closes over the first, and that over the results of the operation
        if not inspect.isfunction(function):
            return None
        function = inspect.getclosurevars(function).nonlocals.get(name)
    return next((each.graph for each in tf.nest.flatten(function) if isinstance(each, tf.Tensor)), None)


_moving = threading.Lock()


def _move_to_graph(name: str, graph: tf.Graph) -> None:
    """Moves a gradient function from TensorFlow's registry to the graph that uses it, unless it was moved before."""
    registered, owner = gradient_registry._registry, weakref.ref(graph)
    with _moving:
        kept = getattr(graph, _KEPT, {})
        if name in kept or name not in registered:
            return
        setattr(graph, _KEPT, kept | {name: registered.pop(name)["type"]})

        @tf.RegisterGradient(name)
        def gradient(operation: tf.Operation | None, *upstream: Any) -> Any:
            return getattr(owner(), _KEPT)[name](operation, *upstream)

    weakref.finalize(graph, registered.pop, name, None)
