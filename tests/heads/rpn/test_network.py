import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.rpn.network import RpnHead


def test_rpn_head_channels_become_anchors_in_order():
    head = RpnHead(anchors_per_cell=2, channels=1)
    maps = [np.zeros((1, 2, 2, 1), "float32"), np.zeros((1, 1, 1, 1), "float32")]
    head(maps)
    head.objectness.bias.assign(np.arange(4.0))  # channel 2 a + {0 background, 1 object}
    head.deltas.bias.assign(np.arange(8.0))  # channel 4 a + {dy, dx, dh, dw}
    logits, deltas = head(maps)
    assert logits.shape == (1, 2 * 4 + 2 * 1, 2)
    np.testing.assert_array_equal(np.asarray(logits)[0, :2], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(np.asarray(deltas)[0, :2], [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_rpn_head_cells_follow_row_by_row_and_levels_one_after_the_other():
    head = RpnHead(anchors_per_cell=1, channels=1)
    maps = [np.array([[1.0, 2], [3, 4]], "float32").reshape(1, 2, 2, 1), np.full((1, 1, 1, 1), 5, "float32")]
    head(maps)
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 1] = 1
    head.shared[0].kernel.assign(kernel)
    head.objectness.kernel.assign(np.array([0.0, 1]).reshape(1, 1, 1, 2))
    logits, _ = head(maps)
    np.testing.assert_array_equal(np.asarray(logits)[0, :, 1], [1, 2, 3, 4, 5])


def test_rpn_head_one_logit_is_the_objects_against_a_background_of_0():
    head = RpnHead(anchors_per_cell=2, channels=1, logits=1)
    maps = [np.zeros((1, 1, 2, 1), "float32"), np.zeros((1, 1, 1, 1), "float32")]
    head(maps)
    assert head.objectness.filters == 2
    head.objectness.bias.assign([3.0, -4.0])
    logits, deltas = head(maps)
    np.testing.assert_array_equal(np.asarray(logits)[0], [[0, 3], [0, -4]] * 3)
    assert deltas.shape == (1, 6, 4)


def test_rpn_head_two_convolutions_follow_each_other():
    head = RpnHead(anchors_per_cell=1, channels=1, convolutions=2, logits=1)
    maps = [np.zeros((1, 3, 3, 1), "float32")]
    maps[0][0, 1, 1, 0] = 1
    head(maps)
    assert [convolution.name for convolution in head.shared] == ["rpn_conv_shared", "rpn_conv_shared2"]
    for convolution in head.shared:
        convolution.kernel.assign(np.ones((3, 3, 1, 1)))
    head.objectness.kernel.assign(np.ones((1, 1, 1, 1)))
    logits, _ = head(maps)
    # the first spreads the one to all nine cells, the second counts the neighbours
    np.testing.assert_array_equal(np.asarray(logits)[0, :, 1].reshape(3, 3), [[4, 6, 4], [6, 9, 6], [4, 6, 4]])
    # a ReLU comes between them
    head.shared[0].kernel.assign(-np.ones((3, 3, 1, 1)))
    assert not np.asarray(head(maps)[0]).any()


@pytest.mark.parametrize(
    ("shape", "known"),
    # a graph that knows the images keeps them: suppression then needs no loop; else it keeps the anchors
    [((1, None, None, 4), (1, None, 2)), ((None, 3, 5, 4), (None, 30, 2)), ((2, 3, 5, 4), (2, 30, 2))],
)
def test_rpn_head_keeps_what_a_graph_knows(shape, known):
    head = RpnHead(anchors_per_cell=2, channels=4)
    head([np.zeros((1, 3, 5, 4), "float32")])
    traced = tf.function(lambda values: head([values])[0], input_signature=[tf.TensorSpec(shape)])
    assert tuple(traced.get_concrete_function().structured_outputs.shape) == known
    assert traced(np.zeros([side or 3 for side in shape], "float32")).shape[2] == 2
