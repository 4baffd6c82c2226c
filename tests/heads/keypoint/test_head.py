import numpy as np
import pytest

from mrcnn.heads.keypoint.head import LOSS, Keypoints
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.ops import reduction
from mrcnn.structures import RoiTargets
from tests.heads import parts as small

BOX = [8, 8, 40, 40]


def make(**kwargs):
    kwargs = {"num_keypoints": 2, "channels": (4,), **kwargs}
    head = Keypoints(features=RoiFeatures(output_size=2), **kwargs)  # maps of 8 x 8 cells
    head.build((None, None, None, small.CHANNELS))
    return head


def regions(class_ids, matched):
    count = len(class_ids)
    return RoiTargets(
        rois=np.tile(np.array(BOX, "float32"), (1, count, 1)),
        class_ids=np.array([class_ids], "int32"),
        deltas=np.zeros((1, count, 4), "float32"),
        matched_idx=np.array([matched], "int32"),
        valid=np.ones((1, count), bool),
    )


def outputs_of(head, class_ids, matched, points):
    batch = {**small.batch([BOX] * len(points), [1] * len(points)), "gt_keypoints": np.array([points], "float32")}
    return head.outputs(small.pyramid()[:4], regions(class_ids, matched), batch, image_size=(64, 64), training=True)


INSIDE = [[8, 8, 2], [40, 40, 1]]
OUTSIDE = [[1, 1, 2], [60, 60, 2]]
MISSING = [[0, 0, 0], [0, 0, 0]]


def test_outputs_train_regions_whose_object_has_a_point_inside():
    # the first region is the batch's first slot, the second has points, the third is background, the fourth is without
    found = outputs_of(make(), [1, 1, 0, 1], [2, 0, 0, 1], [INSIDE, OUTSIDE, MISSING])
    assert found.logits.shape == (2, 8, 8, 2)
    assert np.asarray(found.targets.weights).tolist() == [[0, 0], [1, 1]]
    assert np.asarray(found.targets.cells)[1].tolist() == [0, 63]


def test_outputs_with_fixed_slots_have_the_same_loss():
    head = make(max_objects=3)
    arguments = [1, 1, 0, 1], [2, 0, 0, 1], [INSIDE, OUTSIDE, MISSING]
    dropped = head.losses(outputs_of(head, *arguments), across=reduction.identity)
    head.fixed_slots = True
    fixed = outputs_of(head, *arguments)
    assert fixed.logits.shape == (3, 8, 8, 2)
    assert tuple(dropped) == head.loss_names == (LOSS,)
    assert float(head.losses(fixed, across=reduction.identity)[LOSS]) == pytest.approx(float(dropped[LOSS]), rel=1e-5)


def test_outputs_of_a_batch_without_points_have_no_loss():
    head = make()
    found = outputs_of(head, [1, 0], [0, 0], [MISSING])
    assert found.logits.shape == (1, 8, 8, 2)
    assert float(head.losses(found, across=reduction.identity)[LOSS]) == 0.0


def test_losses_by_the_static_normalizer_are_divided_by_all_points_that_could_count():
    visible, static = (make(normalizer=word, max_objects=4) for word in ("visible", "static"))
    static.set_weights(visible.get_weights())
    one, other = (
        float(head.losses(outputs_of(head, [1], [0], [INSIDE]), across=reduction.identity)[LOSS])
        for head in (visible, static)
    )
    # two points count, of 1 image * 4 regions * 2 points
    assert other == pytest.approx(one * 2 / 8, rel=1e-5)


def test_outputs_shift_the_points_of_targets_to_indices_of_pixels():
    # the centre of the pixel beside the left side of the region, whose index is that of the side
    found = outputs_of(make(pixel_shift=0.5), [1], [0], [[[8.5, 24.5, 2], [8.4, 24.5, 2]]])
    assert np.asarray(found.targets.weights).tolist() == [[1, 0]]
    assert np.asarray(found.targets.cells).tolist() == [[4 * 8, 0]]  # y 24 is half of the region, row 4


BOXES = np.array([[BOX, [0, 0, 0, 0], [4, 4, 30, 60]]], "float32")
VALID = np.array([[True, False, True]])


def decoded(head, class_ids=(1, 0, 2)):
    found = head.decode(small.pyramid()[:4], BOXES, np.array([class_ids], "int32"), valid=VALID, image_size=(64, 64))
    assert tuple(found) == head.gives
    return np.asarray(found["keypoints"])


def test_decode_finds_the_points_of_detections_alone():
    found = decoded(make())
    assert found.shape == (1, 3, 2, 3)
    assert not found[0, 1].any()
    for row, (y1, x1, y2, x2) in ((0, BOX), (2, [4, 4, 30, 60])):
        x, y, score = found[0, row].T
        assert ((x > x1) & (x < x2) & (y > y1) & (y < y2)).all()
        assert ((score > 0) & (score <= 1)).all()


def test_decode_with_fixed_slots_finds_the_same():
    head = make()
    dropped = decoded(head)
    head.fixed_slots = True
    np.testing.assert_allclose(decoded(head), dropped, atol=1e-4)


def test_decode_leaves_out_points_that_the_class_does_not_have():
    head = make(class_points=((0,), ()))
    found, every = decoded(head), decoded_like(head)
    assert found[0, 0, 0].tolist() == every[0, 0, 0].tolist()
    assert not found[0, 0, 1].any()
    assert not found[0, 2].any()


def decoded_like(head):
    other = make()
    other.set_weights(head.get_weights())
    return decoded(other)


def test_decode_shifts_points_and_scores_by_the_rule():
    head = make()
    shifted, logits = make(pixel_shift=0.5), make(decoding="torchvision")
    for other in (shifted, logits):
        other.set_weights(head.get_weights())
    moved = (decoded(shifted) - decoded(head))[VALID]
    np.testing.assert_allclose(moved, np.broadcast_to([0.5, 0.5, 0], (2, 2, 3)), atol=1e-5)
    assert (decoded(logits)[..., :2] == decoded(head)[..., :2]).all()
    assert (decoded(logits)[0, 0, :, 2] != decoded(head)[0, 0, :, 2]).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_keypoints": 0}, "needs a point and a convolution, got 0"),
        ({"channels": ()}, "needs a point and a convolution"),
        ({"decoding": "peak"}, "must be one of detectron2, torchvision, got 'peak'"),
        ({"normalizer": "all"}, "must be one of visible, static, got 'all'"),
    ],
)
def test_keypoints_refuses_unknown_words_and_numbers(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make(**kwargs)
