import numpy as np
import pytest
from keras import ops

from mrcnn.ops import frames


def test_matterports_frame_ends_at_the_last_pixel():
    # norm_boxes: (box - (0, 0, 1, 1)) / (h - 1, w - 1, ...); the division is left out
    frame = frames.frame("minus_one")
    boxes = ops.convert_to_tensor(np.array([[0, 0, 10, 20], [2, 3, 4, 5]], "float32"))
    np.testing.assert_array_equal(frame.enter(boxes), [[0, 0, 9, 19], [2, 3, 3, 4]])
    np.testing.assert_array_equal(frame.leave(frame.enter(boxes)), boxes)
    assert frame.extent((10, 20)) == (9, 19)


def test_frame_pixels_stay_as_they_are():
    frame = frames.frame("pixels")
    boxes = np.zeros((0, 4), "float32")
    assert frame.enter(boxes) is boxes
    assert frame.leave(boxes) is boxes
    assert frame.extent((10, 20)) == (10, 20)


def test_frame_another_word_is_named():
    with pytest.raises(ValueError, match="box_normalization must be one of pixels, minus_one, got 'shares'"):
        frames.frame("shares")
