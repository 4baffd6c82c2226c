"""Runs a function the ways production runs it and demands one answer."""

import keras
import numpy as np
from keras import ops

from mrcnn.ops.backend.current import native


def both(fn, *args, unknown_batch=False, tolerance=1e-6):
    """Runs `fn` eager and compiled, asserts that the results agree, and returns the eager one as NumPy arrays.

    Args:
        fn: takes tensors, returns a tensor or a tuple of them.
        *args: arrays, all given as traced inputs, so that no shape or value is folded away.
        tolerance: by how much floats may differ, as a share of the largest: graphs reorder and fuse.
        unknown_batch: compiles a third time with an unknown first axis of every argument.
    """
    tensors = [ops.convert_to_tensor(arg) for arg in args]
    eager = _numpy(fn(*tensors))
    inputs = [(tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype)) for tensor in tensors]
    _assert_equal(eager, _numpy(native.compiled(fn, inputs, weights=list)(*tensors)), tolerance)
    if unknown_batch:
        inputs = [((None, *shape[1:]), dtype) for shape, dtype in inputs]
        _assert_equal(eager, _numpy(native.compiled(fn, inputs, weights=list)(*tensors)), tolerance)
    return eager


def _numpy(result):
    return keras.tree.map_structure(lambda tensor: np.asarray(ops.convert_to_numpy(tensor)), result)


def _assert_equal(first, second, tolerance):
    keras.tree.assert_same_structure(first, second)
    for one, other in zip(keras.tree.flatten(first), keras.tree.flatten(second), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        if one.dtype == np.float32:
            np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(one).max(initial=0))
        else:
            np.testing.assert_array_equal(one, other)
