import numpy as np
import pytest
import tensorflow as tf

from mrcnn.heads.rpn.proposals import ProposalGenerator

ANCHORS = np.array([[0, 0, 10, 10], [0, 1, 10, 11], [20, 20, 30, 30], [-5, -5, 5, 5]], "float32")


def _call(logits, *, count, deltas=None, sizes=(4,), **kwargs):
    deltas = np.zeros((1, 4, 4), "float32") if deltas is None else deltas
    logits = np.stack([np.zeros(4), logits], axis=-1)[None].astype("float32")
    return ProposalGenerator(**kwargs)(
        ANCHORS, logits, deltas, level_sizes=sizes, limits=[0.0, 0.0, 40.0, 40.0], count=count
    )


def test_proposal_generator_overlaps_are_suppressed_and_slots_padded():
    got = _call([1.0, 2.0, 0.0, -1.0], count=4)
    # IoU of the first two is 90 / 110 > 0.7, so the better one stays; the last is clipped to the image
    np.testing.assert_allclose(got.boxes[0], [[0, 1, 10, 11], [20, 20, 30, 30], [0, 0, 5, 5], [0, 0, 0, 0]])
    np.testing.assert_array_equal(got.valid[0], [True, True, True, False])
    np.testing.assert_allclose(got.scores[0], [1 / (1 + np.exp(-2)), 0.5, 1 / (1 + np.exp(1)), 0], rtol=1e-6)


def test_only_the_best_anchors_enter():
    got = _call([1.0, 2.0, 0.0, -1.0], count=4, pre_nms_topk=1)
    np.testing.assert_array_equal(got.valid[0], [True, False, False, False])


def test_proposal_generator_deltas_move_by_their_standard_deviation():
    deltas = np.zeros((1, 4, 4), "float32")
    deltas[0, 2] = [1, 0, 0, 0]  # one tenth of the height 10 down
    got = _call([-9.0, -9.0, 5.0, -9.0], count=1, deltas=deltas)
    np.testing.assert_allclose(got.boxes[0], [[21, 20, 31, 30]], rtol=1e-6)


def test_proposal_generator_no_gradient_passes():
    logits, deltas = tf.Variable(tf.ones((1, 4, 2))), tf.Variable(tf.ones((1, 4, 4)))
    with tf.GradientTape() as tape:
        got = ProposalGenerator()(
            ANCHORS, tf.identity(logits), tf.identity(deltas), level_sizes=(4,), limits=[0.0, 0.0, 40.0, 40.0], count=2
        )
        total = tf.reduce_sum(got.boxes) + tf.reduce_sum(got.scores)
    assert tape.gradient(total, [logits, deltas]) == [None, None]


def test_proposal_generator_boxes_pass_the_gradient_of_deltas_where_they_are_not_cut_off():
    deltas = tf.Variable(tf.zeros((1, 4, 4)))
    logits = tf.constant(np.stack([np.zeros(4), [-9, -9, 5, -9]], axis=-1)[None].astype("float32"))
    with tf.GradientTape() as tape:
        got = ProposalGenerator(detach=False)(
            ANCHORS, logits, tf.identity(deltas), level_sizes=(4,), limits=[0.0, 0.0, 40.0, 40.0], count=1
        )
        top = got.boxes[0, 0, 0]
    # y1 = 25 + 0.1 * 10 * dy - 5 exp(0.2 dh): 1 for dy and -1 for dh of the best anchor
    expected = np.zeros((1, 4, 4))
    expected[0, 2] = [1, 0, -1, 0]
    np.testing.assert_allclose(tape.gradient(top, deltas), expected, rtol=1e-5)


def test_each_level_has_its_own_best_and_its_own_suppression():
    apart = _call([1.0, 2.0, 0.0, -1.0], count=4, sizes=(1, 3), topk_scope="level", pre_nms_topk=2)
    # level 0 holds anchor 0 alone; of 1, 2, 3 the best two enter: 1 overlaps 0, but in another level
    np.testing.assert_allclose(apart.boxes[0, :3], [[0, 1, 10, 11], [0, 0, 10, 10], [20, 20, 30, 30]], atol=1e-3)
    np.testing.assert_array_equal(apart.valid[0], [True, True, True, False])
    together = _call([1.0, 2.0, 0.0, -1.0], count=4, sizes=(1, 3), pre_nms_topk=2)
    np.testing.assert_array_equal(together.valid[0], [True, False, False, False])


def _same_twice(generator, *, limits, count=4, **kwargs):
    logits = np.stack([np.zeros(4), [1.0, -9, 0, -1]], axis=-1)[None].astype("float32")
    twice, deltas = np.concatenate([logits, logits]), np.zeros((2, 4, 4), "float32")
    return generator(ANCHORS, twice, deltas, level_sizes=(4,), limits=limits, count=count, **kwargs)


def test_proposal_generator_clips_each_image_to_its_own_limits():
    limits = np.array([[[0, 0, 40, 40]], [[0, 0, 25, 8]]], "float32")
    got = _same_twice(ProposalGenerator(least_side=0.0), limits=limits)
    # the second anchor is suppressed by the first: 90 / 110
    np.testing.assert_array_equal(got.boxes[0, :3], [[0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 5, 5]])
    # in the second image columns end at 8: the box at 20 is empty there; the second anchor is clipped like the first
    np.testing.assert_array_equal(got.boxes[1, :2], [[0, 0, 10, 8], [0, 0, 5, 5]])
    assert np.asarray(got.valid)[1].sum() == 2


@pytest.mark.parametrize(
    ("least_side", "kept"),
    [(None, 4), (0.0, 3), (1e-3, 3), (5.0, 3), (5.1, 2), (10.0, 2), (10.1, 0)],
)
def test_proposal_generator_leaves_out_boxes_with_a_short_side(least_side, kept):
    anchors = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [-5, -5, 5, 5], [50, 0, 60, 10]], "float32")
    logits = np.array([[[0, 4], [0, 3], [0, 2], [0, 1]]], "float32")
    generator = ProposalGenerator(least_side=least_side)
    # the third is clipped to 5 x 5, the fourth to 0 x 10
    got = generator(anchors, logits, np.zeros((1, 4, 4)), level_sizes=(4,), limits=[0.0, 0.0, 40.0, 40.0], count=4)
    assert np.asarray(got.valid).sum() == kept


def test_proposal_generator_a_call_may_have_its_own_number_before_the_suppression():
    generator = ProposalGenerator(pre_nms_topk=1)
    limits = [0.0, 0.0, 40.0, 40.0]
    assert np.asarray(_same_twice(generator, limits=limits).valid).sum(axis=1).tolist() == [1, 1]
    assert np.asarray(_same_twice(generator, limits=limits, pre_nms_topk=3).valid).sum(axis=1).tolist() == [3, 3]
