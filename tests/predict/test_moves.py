"""Detections in the coordinates of another image."""

import numpy as np

from mrcnn.predict import compact, moves

from . import helpers
from .test_compact import make_random, with_map


def test_moved_into_a_larger_image():
    dense = make_random()
    moved = compact.to_dense(moves.moved(compact.from_dense(dense), (10, 20), size=(40, 60)))
    np.testing.assert_array_equal(moved.masks[:, 10:33, 20:51], dense.masks)
    assert moved.masks.sum() == dense.masks.sum()
    np.testing.assert_allclose(moved.boxes, dense.boxes + np.array([10, 20, 10, 20]))
    assert moved.boxes.dtype == np.float32


def test_mirrored():
    dense = helpers.make_detections([[1, 2, 4, 5.5]], ["cat"], [0.5], size=(6, 8))
    other = compact.to_dense(moves.mirrored(compact.from_dense(dense)))
    np.testing.assert_array_equal(other.boxes, [[1, 2.5, 4, 6]])  # 8 - 5.5, 8 - 2
    np.testing.assert_array_equal(other.masks, dense.masks[:, :, ::-1])
    random = make_random()
    np.testing.assert_array_equal(
        compact.to_dense(moves.mirrored(compact.from_dense(random))).masks, random.masks[:, :, ::-1]
    )


def test_mirrored_mirrors_maps():
    np.testing.assert_array_equal(moves.mirrored(with_map()).maps["semantic"], with_map(2, 1).maps["semantic"])


def test_moved_keeps_the_maps_of_a_whole_image_alone():
    assert moves.moved(with_map(), (0, 0), size=(6, 8)).maps.keys() == {"semantic"}
    assert moves.moved(with_map(), (0, 0), size=(6, 9)).maps == {}
