import numpy as np
import pytest
import tensorflow as tf

from mrcnn.ops.chunks import in_chunks
from tests.traced import both


@pytest.mark.parametrize(("count", "size"), [(1, 1), (1, 4), (4, 4), (5, 2), (3, 1)])
def test_in_chunks_equals_the_function_on_all_rows(count, size):
    first = np.arange(count * 6, dtype="float32").reshape(count, 2, 3)
    second = np.arange(count, dtype="int32")

    def whole(one, other):
        return tf.reduce_sum(one, axis=1) + tf.cast(other, tf.float32)[:, None]

    got = both(lambda *rows: in_chunks(whole, rows, size=size), first, second, unknown_batch=True)
    np.testing.assert_array_equal(got, first.sum(axis=1) + second[:, None])


def test_in_chunks_calls_the_function_with_so_many_rows():
    seen = []

    def half(rows):
        seen.append(rows.shape[0])
        return rows / 2

    np.testing.assert_array_equal(in_chunks(half, (np.float32([2, 4, 6]),), size=2), [1, 2, 3])
    assert set(seen) == {2}


def test_in_chunks_of_a_known_length_has_a_known_shape():
    graph = tf.function(lambda rows: in_chunks(lambda part: part[:, None], (rows,), size=2))
    assert graph.get_concrete_function(tf.TensorSpec([5])).output_shapes == (5, 1)
