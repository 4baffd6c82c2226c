"""Feature maps of several consumers: the same values, and gradients added in a fixed order."""

import numpy as np
import tensorflow as tf

from mrcnn.ops.fan_out import fan_out

# the sum of these in float32 depends on its order: (1e8 + 1) - 1e8 is 0, (1e8 - 1e8) + 1 is 1
PARTS = (1e8, 1.0, -1e8)


def test_every_consumer_reads_the_same_values():
    maps = (tf.constant([[1.0, 2.0]]), tf.constant([3.0]))
    for copies in fan_out(maps, 3):
        np.testing.assert_array_equal(copies[0], [[1.0, 2.0]])
        np.testing.assert_array_equal(copies[1], [3.0])


def test_one_consumer_reads_the_maps_themselves():
    value = tf.constant([1.0])
    assert fan_out((value,), 1)[0][0] is value


def test_no_maps_have_a_set_of_no_maps_for_each_consumer():
    assert fan_out((), 2) == ((), ())


def test_the_gradient_adds_up_the_consumers_from_first_to_last():
    value = tf.constant([0.0, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        total = tf.add_n(
            [tf.reduce_sum(copy * part) for (copy,), part in zip(fan_out((value,), 3), PARTS, strict=True)]
        )
    np.testing.assert_array_equal(tape.gradient(total, value), [0.0, 0.0])  # (1e8 + 1) - 1e8 in float32


def test_an_unused_copy_adds_no_gradient():
    value = tf.constant([2.0])
    with tf.GradientTape() as tape:
        tape.watch(value)
        (first,), _ = fan_out((value,), 2)
        total = tf.reduce_sum(first * 3.0)
    np.testing.assert_array_equal(tape.gradient(total, value), [3.0])


def test_the_dtype_of_the_gradient_is_that_of_the_maps():
    value = tf.constant([2.0], tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(value)
        (first,), (second,) = fan_out((value,), 2)
        total = tf.reduce_sum(first * second)
    gradient = tape.gradient(total, value)
    assert gradient.dtype == tf.bfloat16
    np.testing.assert_array_equal(gradient, [4.0])


def test_optimized_graphs_add_large_gradients_in_the_same_order_every_time():
    """As RoIAlign does, each consumer reads many rows, so that over 256 MB are alive at a time.

    With a plain sum of the gradients, 60 runs on two threads had up to 17 different results.
    """
    rng = np.random.default_rng(0)
    cells, reads = 5440, 78400
    value = tf.zeros((cells, 128))
    weights = tf.constant(rng.normal(size=(reads, 128)).astype(np.float32))
    index = tf.constant(rng.integers(0, cells, reads).astype(np.int32))

    @tf.function
    def gradient(weights):
        with tf.GradientTape() as tape:
            tape.watch(value)
            total = 0.0
            for factor, (copy,) in enumerate(fan_out((value,), 8), start=1):
                rows = tf.gather(tf.reshape(copy, (-1, 128)), index)
                total += tf.reduce_sum(rows * (weights * float(factor)))
        return tape.gradient(total, value)

    results = {gradient(weights).numpy().tobytes() for _ in range(10)}
    different = len(results)
    assert different == 1
