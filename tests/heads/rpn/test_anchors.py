import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.rpn.anchors import AnchorGenerator


def test_anchor_generator_levels_follow_each_other_and_cells_go_row_by_row():
    layer = AnchorGenerator(sizes=(8, 16), aspect_ratios=(1.0,), strides=(4, 8))
    got = np.asarray(layer((np.zeros((1, 1, 2, 3)), np.zeros((1, 1, 1, 3)))))
    # centres (0, 0) and (0, 4) of side 8, then (0, 0) of side 16
    np.testing.assert_array_equal(got, [[-4, -4, 4, 4], [-4, 0, 4, 8], [-8, -8, 8, 8]])


def test_anchor_generator_offset_moves_centres_by_a_share_of_the_stride():
    layer = AnchorGenerator(sizes=(8,), aspect_ratios=(1.0,), strides=(4,), offset=0.5)
    np.testing.assert_array_equal(np.asarray(layer((np.zeros((1, 1, 1, 3)),))), [[-2, -2, 6, 6]])


def test_anchor_generator_count_at_256_pixels():
    maps = tuple(np.zeros((1, 256 // stride, 256 // stride, 1)) for stride in (4, 8, 16, 32, 64))
    # 3 * (64^2 + 32^2 + 16^2 + 8^2 + 4^2)
    assert AnchorGenerator()(maps).shape == (16_368, 4)


def test_anchor_generator_strides_from_the_maps_are_rounded_down():
    maps = (np.zeros((1, 13, 19, 1), "float32"),)
    layer = AnchorGenerator(sizes=(512,), aspect_ratios=(1.0,), strides=None)
    got = np.asarray(layer(maps, image_size=(800, 1216)))
    # 800 // 13 = 61 (not 61.5 nor 64), 1216 // 19 = 64: the second cell, and the first of the second row
    np.testing.assert_array_equal(got[1], [-256, 64 - 256, 256, 64 + 256])
    np.testing.assert_array_equal(got[19], [61 - 256, -256, 61 + 256, 256])
    np.testing.assert_array_equal(got[-1][:2], [12 * 61 - 256, 18 * 64 - 256])


def test_anchor_generator_strides_from_the_maps_of_unknown_size_in_a_graph():
    layer = AnchorGenerator(sizes=(8, 16), aspect_ratios=(0.5, 1.0), strides=None, rounded=True)

    @tf.function(
        input_signature=[tf.TensorSpec([1, None, None, 1]), tf.TensorSpec([1, None, None, 1]), tf.TensorSpec([2])]
    )
    def traced(fine, coarse, size):
        return layer((fine, coarse), image_size=(size[0], size[1]))

    maps = (np.zeros((1, 4, 7, 1), "float32"), np.zeros((1, 2, 3, 1), "float32"))
    np.testing.assert_array_equal(traced(*maps, np.float32([43, 61])), layer(maps, image_size=(43, 61)))


def test_anchor_generator_strides_from_the_maps_need_the_size_of_the_input():
    with pytest.raises(ValueError, match="anchors without `strides` need the size of the model input"):
        AnchorGenerator(sizes=(8,), strides=None)((np.zeros((1, 1, 1, 1)),))
