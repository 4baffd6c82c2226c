"""Values of maps at points; outside numbers are those of PyTorch 2.14's `grid_sample` with `align_corners=False`."""

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.ops import points
from tests.traced import both

MAPS = np.float32([
    [[-1.13, -1.15, 0.57], [0.79, 0.6, -1.56], [-0.34, 1.85, 0.47]],
    [[-0.16, -0.17, 0.18], [1.39, 1.59, 0.95], [-0.84, 0.93, 1.26]],
])  # fmt: skip
PLACES = np.float32([[[0.1, 0.2], [0.5, 0.5], [0.95, 0.6], [0, 0], [1, 1], [0.4, 0.9]]])
READ = [[-0.7504, 0.6, -0.61815, -0.2825, 0.1175, 0.9544], [-0.004, 1.59, 0.67795, -0.04, 0.315, 0.3192]]
FEATURES = np.float32([
    [[0.94, 0.49, -0.67, 0.87], [1.06, 0.18, -0.23, -0.39], [-0.47, 0.34, 1.51, 2.08]],
    [[1.71, 2.38, -1.13, -0.32], [-0.14, 0.81, 0.33, -0.76], [-1.6, 0.02, -0.75, 0.19]],
])  # fmt: skip


def channels_last(maps):
    return np.moveaxis(maps, 0, -1)[None]


def test_grid_lists_the_middles_of_cells_row_by_row():
    expected = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    np.testing.assert_array_equal(points.grid(2), expected)
    np.testing.assert_array_equal(points.grid(1), [[0.5, 0.5]])


def test_in_pixels_worked_numbers():
    # a box of 4 x 10 pixels (height, width) from (x, y) = (3, 2)
    got = both(points.in_pixels, np.float32([[[0, 0], [0.5, 0.25], [1, 1]]]), np.float32([[2, 3, 6, 13]]))
    np.testing.assert_allclose(got, [[[3, 2], [8, 3], [13, 6]]])
    none = points.in_pixels(np.zeros((0, 5, 2), "float32"), np.zeros((0, 4), "float32"))
    assert none.shape == (0, 5, 2)


def test_read_maps_equals_the_outside_numbers():
    got = both(points.read_maps, channels_last(MAPS), PLACES, unknown_batch=True)
    np.testing.assert_allclose(got[0].T, READ, atol=1e-5)


def test_read_maps_falls_to_0_half_a_cell_outside_and_has_an_empty_case():
    # two cells a side: a point on the edge is half a cell from the outermost middle, so it has half the value
    got = both(points.read_maps, np.ones((1, 2, 2, 1), "float32"), np.float32([[[0, 0.5], [-0.25, 0.5], [1, 1]]]))
    np.testing.assert_allclose(got[0, :, 0], [0.5, 0, 0.25])
    assert points.read_maps(np.ones((0, 2, 2, 3), "float32"), np.ones((0, 4, 2), "float32")).shape == (0, 4, 3)


def test_read_features_equals_the_outside_numbers():
    # cells of 4 x 4 pixels; (x, y) in pixels
    pixels = np.float32([[[2, 1], [8, 3.5], [12.8, 10.5]]])

    def read(features, places):
        return points.read_features(features, places, np.int32([0]), image_size=(12, 16))

    got = both(read, channels_last(FEATURES), pixels)
    expected = [[0.705, -0.065625, 1.670375], [1.2825, 0.604375, -0.0805]]
    np.testing.assert_allclose(got[0].T, expected, atol=1e-5)


def test_read_features_reads_each_regions_own_image_in_its_dtype():
    maps = np.stack([np.full((2, 2, 1), 1.0), np.full((2, 2, 1), 5.0)]).astype("float32")
    middle = np.full((3, 1, 2), 4.0, "float32")
    got = points.read_features(tf.cast(maps, tf.bfloat16), middle, np.int32([1, 0, 1]), image_size=(8, 8))
    assert got.dtype == tf.bfloat16
    assert np.asarray(got, "float32").ravel().tolist() == [5, 1, 5]
    outside = points.read_features(maps, np.float32([[[-2, 4], [100, 4]]]), np.int32([0]), image_size=(8, 8))
    np.testing.assert_array_equal(outside, np.zeros((1, 2, 1)))


def test_read_features_has_a_dense_gradient_and_none_for_the_points():
    maps, places = tf.ones((1, 2, 2, 1)), tf.constant([[[2.0, 2.0], [4.0, 2.0]]])
    with tf.GradientTape() as tape:
        tape.watch([maps, places])
        total = tf.reduce_sum(points.read_features(maps, places, np.int32([0]), image_size=(8, 8)))
    to_maps, to_places = tape.gradient(total, [maps, places])
    # the first point is on the middle of a cell, the second half way to its neighbour
    np.testing.assert_allclose(tf.convert_to_tensor(to_maps)[0, :, :, 0], [[1.5, 0.5], [0, 0]])
    assert isinstance(to_maps, tf.Tensor)
    assert to_places is None


@pytest.mark.parametrize("count", [0, 3])
def test_read_features_of_unknown_sizes(count):
    specs = [tf.TensorSpec([None, None, None, 2]), tf.TensorSpec([None, 3, 2]), tf.TensorSpec([None], tf.int32)]

    @tf.function(input_signature=specs)
    def read(features, places, image):
        size = tf.shape(features)[1:3] * 4
        return points.read_features(features, places, image, image_size=(size[0], size[1]))

    got = read(channels_last(FEATURES), np.full((count, 3, 2), 6.0, "float32"), np.zeros(count, "int32"))
    np.testing.assert_allclose(got, np.broadcast_to(FEATURES[:, 1, 1], (count, 3, 2)), atol=1e-6)
