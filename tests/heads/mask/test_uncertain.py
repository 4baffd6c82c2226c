import numpy as np
import pytest

from mrcnn.heads.mask import uncertain
from tests.traced import both

# doubled by PyTorch 2.14's `interpolate` (bilinear, align_corners=False)
SMALL = np.float32([[[1, -3], [2, 0.5]]])
LARGE = np.float32([
    [[1, 0, -2, -3], [1.25, 0.40625, -1.28125, -2.125], [1.75, 1.21875, 0.15625, -0.375], [2, 1.625, 0.875, 0.5]]
])  # fmt: skip


def test_numbers_for_the_published_count():
    # 3 x 196 candidates, of which three quarters, 147, are chosen, and 49 uniform points
    assert uncertain.numbers_for(196) == 588 + 49
    assert uncertain.numbers_for(4) == 12 + 1
    assert uncertain.numbers_for(1) == 3 + 1  # three quarters of 1 rounded down is 0


def test_training_places_are_the_candidates_nearest_to_0_and_the_uniform_points():
    # logits -1 on the left and 3 on the right: 8 (x - 0.25) - 1 between the middles, so 0 at x = 0.375
    coarse = np.float32([[[-1, 3], [-1, 3]]])
    x = [0.3, 0.36, 0.7, 0.5, 0.38, 0.25, 0.75, 0.6, 0.4, 0.65, 0.55, 0.45, 0.9]  # 12 candidates and a uniform one
    random = np.stack([np.float32([x]), np.full((1, 13), 0.5, "float32")], axis=-1)
    got = both(lambda *given: uncertain.training_places(*given, count=4), coarse, random, unknown_batch=True)
    # distances from 0.375: 0.005, 0.015, 0.025; then the uniform point, although its logit is far from 0
    np.testing.assert_allclose(got, [[[0.38, 0.5], [0.36, 0.5], [0.4, 0.5], [0.9, 0.5]]], atol=1e-6)


def test_training_places_of_one_point_is_the_uniform_one_and_of_no_region_empty():
    random = np.random.default_rng(0).uniform(size=(2, 4, 2)).astype("float32")
    got = uncertain.training_places(np.zeros((2, 3, 3), "float32"), random, count=1)
    np.testing.assert_array_equal(got, random[:, 3:])
    none = np.zeros((0, 13, 2), "float32")
    assert uncertain.training_places(np.zeros((0, 3, 3), "float32"), none, count=4).shape == (0, 4, 2)


def test_doubled_equals_the_outside_numbers():
    np.testing.assert_allclose(both(uncertain.doubled, SMALL, unknown_batch=True), LARGE, atol=1e-6)
    np.testing.assert_array_equal(uncertain.doubled(np.float32([[[3]]])), [[[3, 3], [3, 3]]])
    assert uncertain.doubled(np.zeros((0, 2, 2), "float32")).shape == (0, 4, 4)


def test_least_certain_finds_the_cells_nearest_to_0():
    got = both(lambda logits: uncertain.least_certain(logits, count=4), LARGE, unknown_batch=True)
    assert got.tolist() == [[1, 10, 11, 5]]  # 0, 0.15625, -0.375 and 0.40625
    assert np.asarray(uncertain.least_certain(np.zeros((1, 2, 2), "float32"), count=2)).tolist() == [[0, 1]]


def test_replaced_changes_the_cells_alone():
    logits = np.arange(8, dtype="float32").reshape(2, 2, 2)
    index, values = np.int32([[3, 0], [1, 2]]), np.float32([[-1, -2], [-3, -4]])
    got = both(uncertain.replaced, logits, index, values, unknown_batch=True)
    np.testing.assert_array_equal(got, [[[-2, 1], [2, -1]], [[4, -3], [-4, 7]]])
    assert uncertain.replaced(logits[:0], index[:0], values[:0]).shape == (0, 2, 2)


def test_subdivide_predicts_the_first_mask_whole_and_then_the_least_certain_cells():
    asked = []

    def predict(places):
        asked.append(np.asarray(places))
        return SMALL.reshape(1, 4) if len(asked) == 1 else np.float32([[9, 8, 7, 6]])

    got = uncertain.subdivide(predict, 1, start=2, size=4)
    expected = LARGE.copy()
    # the cells of `least_certain`, in its order
    expected[0, 0, 1], expected[0, 2, 2], expected[0, 2, 3], expected[0, 1, 1] = 9, 8, 7, 6
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(asked[0], [[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]])
    # columns and rows 1 0, 2 2, 3 2 and 1 1, of cells of a quarter
    np.testing.assert_allclose(asked[1], [[[0.375, 0.125], [0.625, 0.625], [0.875, 0.625], [0.375, 0.375]]])


@pytest.mark.parametrize(("size", "steps"), [(28, 0), (56, 1), (224, 3)])
def test_subdivide_makes_as_many_steps_as_the_size_needs(size, steps):
    asked = []

    def predict(places):
        asked.append(places.shape)
        return places[..., 0] - 0.5

    got = uncertain.subdivide(predict, 2, start=28, size=size)
    assert got.shape == (2, size, size)
    assert asked == [(2, 784, 2)] * (steps + 1)
    # along the line where the mask begins each cell was predicted anew
    middles = (np.arange(size) + 0.5) / size - 0.5
    np.testing.assert_allclose(np.asarray(got)[:, :, size // 2], middles[size // 2], atol=1e-6)
