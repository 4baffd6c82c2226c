import tensorflow as tf

from mrcnn.ops.shapes import at_most


def test_at_most_of_a_known_count_is_a_number():
    assert (at_most(3, 5), at_most(5, 3)) == (3, 3)


def test_at_most_of_a_count_that_the_graph_does_not_know():
    limited = tf.function(lambda values: at_most(3, tf.shape(values)[0]), input_signature=[tf.TensorSpec([None])])
    assert [int(limited(tf.zeros(count))) for count in (2, 5)] == [2, 3]
