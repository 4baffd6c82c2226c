"""Sums have a fixed order in training, also in large graphs; graphs with custom gradients are freed."""

import contextlib
import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework.ops import gradient_registry

from mrcnn.ops.tensorflow_internals import (
    computed_last,
    custom_gradient,
    forward_only,
    freed_with_model,
    sums_in_fixed_order,
)

FLOAT = tf.float32.as_datatype_enum
CELLS, READS, CHANNELS, READERS = 5440, 78400, 128, 8  # each reader's rows are 40 MB, all together 321 MB


def large_gradient():
    """Makes a function that computes the gradient of a map from which eight consumers read many rows, as RoIAlign does.

    The map's gradient is a sum of eight tensors, and over 256 MB are alive when it is computed.
    """
    rng = np.random.default_rng(0)
    value = tf.zeros((CELLS, CHANNELS))
    weights = tf.constant(rng.normal(size=(READS, CHANNELS)).astype(np.float32))
    index = tf.constant(rng.integers(0, CELLS, READS).astype(np.int32))

    @tf.function
    def gradient(weights):
        with tf.GradientTape() as tape:
            tape.watch(value)
            total = 0.0
            for factor in range(1, READERS + 1):
                rows = tf.gather(tf.reshape(value, (-1, CHANNELS)), index)
                total += tf.reduce_sum(rows * (weights * float(factor)))
        return tape.gradient(total, value)

    return lambda: gradient(weights)


def optimized_nodes(function):
    """Runs a function for the first time and lists the nodes of its optimized graph."""
    context.enable_run_metadata()
    try:
        function()
        metadata = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    graphs = [graph.post_optimization_graph for graph in metadata.function_graphs]
    inner = [node for graph in graphs for function in graph.library.function for node in function.node_def]
    return [*inner, *(node for graph in graphs for node in graph.node)]


def sums_of_any_order(nodes):
    """Lists the nodes that add floats in an order that may depend on other threads."""
    many = [node for node in nodes if node.op == "AddN" and len(node.input) > 2 and node.attr["T"].type == FLOAT]
    return [node.name for node in [*many, *(node for node in nodes if node.op == "TemporaryVariable")]]


def test_sums_without_the_context_are_additions_in_any_order():
    assert sums_of_any_order(optimized_nodes(large_gradient()))


def test_sums_in_fixed_order_adds_in_one_order():
    with sums_in_fixed_order():
        assert sums_of_any_order(optimized_nodes(large_gradient())) == []


def test_sums_in_fixed_order_large_gradients_are_the_same_every_time():
    """Without the context the results differ from run to run on several threads."""
    gradient = large_gradient()
    with sums_in_fixed_order():
        results = {gradient().numpy().tobytes() for _ in range(10)}
    different = len(results)
    assert different == 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sums_in_fixed_order_adds_the_gradients_of_all_readers(dtype):
    value = tf.constant([0.0, 5.0], dtype)
    with sums_in_fixed_order(), tf.GradientTape() as tape:
        tape.watch(value)
        gradient = tape.gradient([value * 1.0, value * 10.0, value * 100.0], value)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(gradient, [111.0, 111.0])


def test_sums_in_fixed_order_adds_gradients_of_gathered_rows():
    value = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    with sums_in_fixed_order(), tf.GradientTape() as tape:
        tape.watch(value)
        rows = [tf.gather(value, index) * factor for index, factor in (([0, 1], 1.0), ([1, 1], 2.0), ([0, 0], 3.0))]
        gradient = tape.gradient(tf.reduce_sum(tf.concat(rows, 0)), value)
    np.testing.assert_array_equal(tf.convert_to_tensor(gradient), [[7.0, 7.0], [5.0, 5.0]])  # 1 + 3 + 3 and 1 + 2 + 2


def test_sums_in_fixed_order_adds_lists():
    """Two readers of a list: its gradients are variants, which have no addition of their own."""

    @tf.function
    def gradient(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            parts = tf.TensorArray(tf.float32, 2).unstack(value)
            total = parts.read(0) + 10.0 * parts.read(1) + 100.0 * parts.read(0)
        return tape.gradient(total, value)

    with sums_in_fixed_order():
        assert gradient(tf.constant([1.0, 2.0])).numpy().tolist() == [101.0, 10.0]


def test_sums_in_fixed_order_holds_after_a_context_inside_has_ended():
    with sums_in_fixed_order():
        with sums_in_fixed_order():
            pass
        assert sums_of_any_order(optimized_nodes(large_gradient())) == []


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_computed_last_waits_for_the_other_gradients(place):
    @custom_gradient
    def penalty(value):
        return tf.reduce_sum(value**2), lambda upstream: computed_last(upstream * 2.0 * value)

    @tf.function
    def gradient(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            readers = [lambda: tf.reduce_sum(tf.exp(value)), lambda: tf.reduce_sum(tf.sin(value))]
            readers.insert({"first": 0, "middle": 1, "last": 2}[place], lambda: penalty(value))
            total = sum(reader() for reader in readers)
        return tape.gradient(total, value)

    with sums_in_fixed_order():
        graph = gradient.get_concrete_function(tf.TensorSpec([2])).graph
        found = gradient(tf.constant([0.0, 3.0])).numpy()
    # exp(x) + cos(x) + 2x
    np.testing.assert_allclose(found, [2.0, np.exp(3) + np.cos(3) + 6.0], rtol=1e-6)
    marked = [each for each in graph.get_operations() if "_mrcnn_computed_last" in each.node_def.attr]
    [waits] = marked
    assert waits.type == "Mul"
    assert len(waits.control_inputs) == 2
    assert not set(waits.control_inputs) & set(marked)


def test_computed_last_in_eager_mode_is_the_gradient():
    assert computed_last(tf.constant([1.0, 2.0])).numpy().tolist() == [1.0, 2.0]
    with sums_in_fixed_order(), tf.GradientTape() as tape:
        value = tf.constant([3.0])
        tape.watch(value)
        total = value * value + 2.0 * value
    assert tape.gradient(total, value).numpy().tolist() == [8.0]


def test_sums_in_fixed_order_changes_nothing_afterwards():
    with sums_in_fixed_order():
        pass
    assert sums_of_any_order(optimized_nodes(large_gradient()))


def test_the_options_of_the_thread_are_as_before_afterwards():
    before = context.context().function_call_options.as_attrs()
    with sums_in_fixed_order():
        assert context.context().function_call_options.as_attrs() != before
    assert context.context().function_call_options.as_attrs() == before


def test_the_options_are_as_before_after_an_error_too():
    before = context.context().function_call_options.as_attrs()
    with pytest.raises(ValueError, match="inside"), sums_in_fixed_order():
        raise ValueError("inside")
    assert context.context().function_call_options.as_attrs() == before


def test_options_chosen_by_the_user_stay_in_force():
    tf.config.optimizer.set_experimental_options({"constant_folding": False})
    try:
        with sums_in_fixed_order():
            config = context.context().function_call_options.config_proto_serialized
        rewriting = tf.compat.v1.ConfigProto.FromString(config).graph_options.rewrite_options
        assert rewriting.constant_folding == rewriting.OFF
        assert rewriting.memory_optimization == rewriting.NO_MEM_OPT
    finally:
        tf.config.optimizer.set_experimental_options({"constant_folding": True})


@custom_gradient
def doubled_with_gradient_of_seven(value):
    return 2.0 * value, lambda upstream: 7.0 * upstream


def graph_of_new_function(function):
    """Traces a new function that reads a variable and returns a weak reference to its graph."""
    variable = tf.Variable([3.0])
    graph = tf.function(lambda: function(2.0 * variable)).get_concrete_function().graph
    return weakref.ref(graph)


def test_custom_gradient_is_the_given_one():
    value = tf.constant([1.0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = doubled_with_gradient_of_seven(value)
    assert result.numpy().tolist() == [2.0]
    assert tape.gradient(result, value).numpy().tolist() == [7.0]


@pytest.mark.parametrize("nested", [False, True])
def test_custom_gradient_is_the_given_one_in_a_graph(nested):
    inner = tf.function(doubled_with_gradient_of_seven) if nested else doubled_with_gradient_of_seven

    @tf.function
    def step(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            result = tf.reduce_sum(inner(value))
        return result, tape.gradient(result, value)

    assert [part.numpy().tolist() for part in step(tf.constant([1.0]))] == [2.0, [7.0]]


def test_custom_gradient_is_the_given_one_of_each_function_inside_a_loop():
    @tf.function
    def step(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            result = tf.while_loop(
                lambda count, _: count < 2,
                lambda count, last: (count + 1, doubled_with_gradient_of_seven(last)),
                (0, value),
            )[1]
        return tape.gradient(result, value)

    assert step(tf.constant([1.0])).numpy().tolist() == [49.0]  # 7 * 7


def test_custom_gradient_inside_another():
    @custom_gradient
    def outer(value):
        return doubled_with_gradient_of_seven(value) + 1.0, lambda upstream: 5.0 * upstream

    @tf.function
    def step(value):
        with tf.GradientTape() as tape:
            tape.watch(value)
            result = outer(value)
        return result, tape.gradient(result, value)

    assert [part.numpy().tolist() for part in step(tf.constant([1.0]))] == [[3.0], [5.0]]


def test_custom_gradient_frees_the_graph():
    gc.collect()
    registered = len(gradient_registry.list())
    graph = graph_of_new_function(doubled_with_gradient_of_seven)
    gc.collect()
    assert graph() is None
    assert len(gradient_registry.list()) == registered


@tf.custom_gradient
def doubled_by_tensorflow(value):
    return 2.0 * value, lambda upstream: 7.0 * upstream


@pytest.mark.parametrize(("context", "freed"), [(freed_with_model, True), (contextlib.nullcontext, False)])
def test_freed_with_model_frees_graphs_with_gradients_of_tensorflow(context, freed):
    with context():
        graph = graph_of_new_function(doubled_by_tensorflow)
    gc.collect()
    assert (graph() is None) == freed


@pytest.mark.parametrize("inside", [contextlib.nullcontext, freed_with_model])
def test_freed_with_model_leaves_the_gradient_of_a_function_traced_before(inside):
    with freed_with_model(), inside():
        inner = tf.function(doubled_by_tensorflow)
        inner(tf.constant([1.0]))
    value = tf.constant([1.0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = inner(value)
    assert tape.gradient(result, value).numpy().tolist() == [7.0]


def test_freed_with_model_leaves_what_it_does_not_know():
    with freed_with_model():
        tf.no_gradient("MrcnnTestOfNone")
        tf.RegisterGradient("MrcnnTestOfAnother")(abs)
    assert {"MrcnnTestOfNone", "MrcnnTestOfAnother"} <= set(gradient_registry.list())


def test_forward_only_leaves_the_gradient_out():
    @tf.function
    def infer(value):
        with forward_only():
            return doubled_with_gradient_of_seven(value)

    assert infer(tf.constant([1.0])).numpy().tolist() == [2.0]
    operations = infer.get_concrete_function(tf.constant([1.0])).graph.get_operations()
    assert "IdentityN" not in [operation.type for operation in operations]
    test_custom_gradient_is_the_given_one()


def test_freed_with_model_after_an_error_too():
    graphs = []

    def trace():
        graphs.append(graph_of_new_function(doubled_by_tensorflow))
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"), freed_with_model():
        trace()
    gc.collect()
    assert graphs[0]() is None
