"""Sums keep their order in graphs that need much memory."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from mrcnn.ops.tensorflow_internals import sums_in_fixed_order

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


def optimized_operations(function):
    """Runs a function for the first time and lists the operations of its optimized graph."""
    context.enable_run_metadata()
    try:
        function()
        metadata = context.export_run_metadata()
    finally:
        context.disable_run_metadata()
    graphs = [graph.post_optimization_graph for graph in metadata.function_graphs]
    inner = [node.op for graph in graphs for function in graph.library.function for node in function.node_def]
    return {*inner, *(node.op for graph in graphs for node in graph.node)}


def test_without_it_the_sum_is_replaced_by_additions_in_any_order():
    assert "TemporaryVariable" in optimized_operations(large_gradient())


def test_with_it_the_sum_stays_one_operation():
    with sums_in_fixed_order():
        operations = optimized_operations(large_gradient())
    assert "TemporaryVariable" not in operations
    assert "AddN" in operations


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
