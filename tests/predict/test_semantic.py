import numpy as np
import tensorflow as tf

from mrcnn.data.resize import resize_plan
from mrcnn.predict import semantic


def test_to_original_cuts_the_padding_off():
    # 32 x 64 fills 64 x 64 from row 16 to 48: rows 4..12 of the cells
    plan = resize_plan(32, 64, min_dim=64, max_dim=64)
    logits = np.zeros((16, 16, 3), np.float32)
    logits[:4, :, 2] = logits[12:, :, 2] = 5.0  # the padding
    logits[4:12, :8, 1] = 5.0
    found = semantic.to_original(logits, plan)
    assert found.shape == (32, 64)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[8:24, :30], 1)
    np.testing.assert_array_equal(found[8:24, 34:], 0)
    assert not (found[3:-3] == 2).any()


def test_to_original_is_two_bilinear_resizes():
    plan = resize_plan(50, 70, min_dim=64, max_dim=128, shape="rectangle", fit="detectron2")
    height, width = plan.input_hw
    logits = np.random.default_rng(0).normal(size=(height // 4, width // 4, 4)).astype("float32")
    y1, x1, y2, x2 = plan.window
    whole = tf.image.resize(logits[None], (height, width))[:, y1:y2, x1:x2]
    expected = np.argmax(np.asarray(tf.image.resize(whole, (50, 70)))[0], axis=-1)
    assert (semantic.to_original(logits, plan) == expected).mean() > 0.999  # OpenCV rounds its weights


def test_to_original_of_equal_logits_is_a_thing():
    plan = resize_plan(8, 8, min_dim=8, max_dim=8)
    assert not semantic.to_original(np.zeros((2, 2, 3), np.float32), plan).any()
