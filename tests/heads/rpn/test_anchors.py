import numpy as np

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
