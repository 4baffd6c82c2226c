import numpy as np
import pytest

from mrcnn.heads.mask.point_targets import PointTargetGenerator, point_targets
from mrcnn.structures import RoiTargets
from tests.traced import both


def test_point_targets_are_shares_of_the_sides_and_edges_are_inside():
    rois = np.float32([[10, 20, 30, 60]])  # 20 high, 40 wide
    points = np.float32([[[20, 10, 1], [60, 30, 0], [40, 15, 1], [19.9, 15, 1], [40, 30.1, 0], [40, 15, -1]]])
    places, labels, inside = both(point_targets, points, rois)
    assert places[0, :3].tolist() == [[0, 0], [1, 1], [0.5, 0.25]]
    assert labels.tolist() == [[1, 0, 1, 1, 0, 0]]
    assert inside.tolist() == [[True, True, True, False, False, False]]


@pytest.mark.parametrize("roi", [[5, 5, 5, 9], [5, 5, 9, 5], [0, 0, 0, 0]])
def test_point_targets_of_a_region_without_area(roi):
    places, _, inside = both(point_targets, np.float32([[[5, 5, 1], [0, 0, 1]]]), np.float32([roi]))
    assert not inside.any()
    assert np.isfinite(places).all()


def batch(points, *, side=32, seeds=None):
    """Makes what a batch has for the targets, points `[B, N, K, 3]` with it; each window is the whole image."""
    points = np.float32(points)
    images = len(points)
    return {
        "gt_mask_points": points,
        "windows": np.tile(np.float32([0, 0, side, side]), (images, 1)),
        "neutral": np.zeros((images, side, side), bool),
        "seeds": np.arange(images, dtype="int32") if seeds is None else np.int32(seeds),
    }


def regions(rois, class_ids, matched):
    """Makes the sampled regions `[B, R, ...]`."""
    rois, class_ids, matched = np.float32(rois), np.int32(class_ids), np.int32(matched)
    return RoiTargets(rois, class_ids, np.zeros_like(rois), matched, np.ones(class_ids.shape, bool))


def test_point_target_generator_points_come_from_the_matched_object_of_the_right_image():
    points = np.zeros((2, 2, 1, 3))
    points[1, 1, 0] = 4, 8, 1
    rois = np.tile(np.float32([0, 0, 16, 16]), (2, 3, 1))
    given = regions(rois, [[0, 0, 0], [0, 2, 0]], [[0, 0, 0], [0, 1, 0]])
    index = (np.int32([0, 1]), np.int32([0, 1]))
    got = PointTargetGenerator()(given, batch(points), index, pixel_rois=rois[:, 0])
    np.testing.assert_array_equal(got.class_ids, [0, 2])
    np.testing.assert_array_equal(got.weights, [[0], [1]])  # image 0's slot is only a filler
    np.testing.assert_array_equal(got.places[1], [[0.25, 0.5]])
    np.testing.assert_array_equal(got.labels[1], [1])


def one(points, *, roi=(0, 0, 32, 32), class_id=1, training=False, share=0.5, **changes):
    """Computes the targets of a region of an image's only object."""
    given = {**batch([[points]]), **changes}
    rois = np.float32([[roi]])
    return PointTargetGenerator(share=share)(
        regions(rois, [[class_id]], [[0]]), given, (np.int32([0]), np.int32([0])), pixel_rois=rois[0], training=training
    )


def test_point_target_generator_ignores_points_outside_the_image_and_on_neutral_pixels():
    neutral = np.zeros((1, 32, 32), bool)
    neutral[0, 5, 9] = True
    points = [[9.5, 5.5, 1], [9.5, 6.5, 1], [3.9, 8, 0], [4, 8, 0], [27.9, 8, 1], [28, 8, 1], [9, 9, -1]]
    got = one(points, neutral=neutral, windows=np.float32([[2, 4, 30, 28]]))
    assert np.asarray(got.weights).tolist() == [[0, 1, 0, 1, 1, 0, 0]]


def test_point_target_generator_a_region_of_background_has_no_points():
    assert not np.asarray(one([[9, 9, 1]], class_id=0).weights).any()


def test_point_target_generator_draws_a_share_of_the_points_in_training_alone():
    points = [[1 + number, 5, number % 2] for number in range(10)]
    assert np.asarray(one(points).weights).sum() == 10
    assert np.asarray(one(points, training=True).weights).sum() == 5
    assert np.asarray(one(points, training=True, share=0.31).weights).sum() == 4
    assert np.asarray(one(points, training=True, share=1.0).weights).sum() == 10
    drawn = {tuple(np.asarray(one(points, training=True, seeds=np.int32([seed])).weights)[0]) for seed in range(8)}
    assert len(drawn) > 4
    again = one(points, training=True, seeds=np.int32([3])).weights
    np.testing.assert_array_equal(again, one(points, training=True, seeds=np.int32([3])).weights)


def test_point_target_generator_regions_of_one_object_have_the_same_points():
    points = [[1 + number, 5, 1] for number in range(10)]
    rois = np.tile(np.float32([0, 0, 32, 32]), (1, 3, 1))
    index = (np.int32([0, 0, 0]), np.int32([0, 1, 2]))
    got = PointTargetGenerator()(
        regions(rois, [[1, 1, 1]], [[0, 0, 0]]), batch([[points]]), index, pixel_rois=rois[0], training=True
    )
    assert len({tuple(row) for row in np.asarray(got.weights).tolist()}) == 1
