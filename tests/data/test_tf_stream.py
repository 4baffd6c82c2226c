"""The data sets of TensorFlow; what they hold is in `test_pipeline.py`, and `test_thread_stream.py` compares them."""

import numpy as np

from mrcnn.data import tf_stream

SPEC = {"image_ids": ((), np.int32), "rows": ((None, 2), np.float32)}


def load(position):
    return np.int32(position if position % 4 else -1), np.full((1 + position // 10, 2), position, np.float32)


def test_endless_starts_anywhere_with_static_shapes():
    data = tf_stream.endless(load, SPEC, start=5, batch_size=2, workers=1)
    assert data.element_spec["rows"].shape.as_list() == [2, None, 2]
    found = [batch["image_ids"].tolist() for batch in data.take(2).as_numpy_iterator()]
    assert found == [[5, 6], [7, -1]]


def test_one_pass_leaves_out_examples_and_begins_a_batch_for_each_group():
    groups = [np.arange(1, 6), np.arange(11, 14)]
    data = tf_stream.one_pass(load, SPEC, groups, batch_size=2, workers=2)
    assert [batch["image_ids"].tolist() for batch in data.as_numpy_iterator()] == [[1, 2], [3, 5], [11, 13]]


def test_one_pass_of_nothing():
    assert list(tf_stream.one_pass(load, SPEC, [], batch_size=2, workers=None)) == []
