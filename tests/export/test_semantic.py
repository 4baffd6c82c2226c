"""The semantic map in an exported graph: the same classes as in the live model."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.data.resize import resize_plan
from mrcnn.export import semantic
from mrcnn.predict import semantic as live


def in_graph(logits, plan):
    height, width = plan.original_hw
    return tf.function(semantic.to_original)(
        tf.constant(logits),
        input_hw=tf.constant(plan.input_hw),
        window=tf.constant(plan.window),
        height=tf.constant(height),
        width=tf.constant(width),
    ).numpy()


def test_to_original_cuts_the_padding_off():
    # 32 x 64 fills 64 x 64 from row 16 to 48: rows 4..12 of the cells
    plan = resize_plan(32, 64, min_dim=64, max_dim=64)
    logits = np.zeros((16, 16, 3), np.float32)
    logits[:4, :, 2] = logits[12:, :, 2] = 5.0  # the padding
    logits[4:12, :8, 1] = 5.0
    found = in_graph(logits, plan)
    assert (found.shape, found.dtype) == ((32, 64), np.uint8)
    np.testing.assert_array_equal(found[8:24, :30], 1)
    np.testing.assert_array_equal(found[8:24, 34:], 0)
    assert not (found[3:-3] == 2).any()


@pytest.mark.parametrize(("height", "width"), [(50, 70), (200, 31), (1, 1), (64, 128)])
def test_to_original_equals_the_live_models(height, width):
    plan = resize_plan(height, width, min_dim=64, max_dim=128, shape="rectangle")
    rows, columns = plan.input_hw
    logits = np.random.default_rng(0).normal(size=(rows // 4, columns // 4, 5)).astype("float32")
    same = in_graph(logits, plan) == live.to_original(logits, plan)
    assert same.shape == (height, width)
    assert same.mean() > 0.999  # OpenCV rounds its weights


def test_to_original_of_equal_logits_is_a_thing():
    plan = resize_plan(8, 8, min_dim=8, max_dim=8)
    assert not in_graph(np.zeros((2, 2, 3), np.float32), plan).any()
