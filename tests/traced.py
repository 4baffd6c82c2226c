"""Runs a function the ways production runs it and demands one answer."""

import numpy as np
import tensorflow as tf


def both(fn, *args, unknown_batch=False, tolerance=1e-6):
    """Runs `fn` eager and traced, asserts that the results agree, and returns the eager one as NumPy arrays.

    Args:
        fn: takes tensors, returns a tensor or a tuple of them.
        *args: arrays, all given as traced inputs, so that no shape or value is folded away.
        tolerance: by how much floats may differ, as a share of the largest: graphs reorder and fuse.
        unknown_batch: traces a third time with an unknown first axis of every argument.
    """
    tensors = [tf.convert_to_tensor(arg) for arg in args]
    eager = _numpy(fn(*tensors))
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
    _assert_equal(eager, _numpy(tf.function(fn, input_signature=specs)(*tensors)), tolerance)
    if unknown_batch:
        specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in tensors]
        _assert_equal(eager, _numpy(tf.function(fn, input_signature=specs)(*tensors)), tolerance)
    return eager


def _numpy(result):
    return tf.nest.map_structure(lambda tensor: np.asarray(tf.convert_to_tensor(tensor)), result)


def _assert_equal(first, second, tolerance):
    tf.nest.assert_same_structure(first, second)
    for one, other in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if one.dtype == np.float32:
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(one).max(initial=0))
        else:
            np.testing.assert_array_equal(one, other)
