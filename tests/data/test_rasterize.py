import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.data import rasterize
from mrcnn.project import geometry
from mrcnn.structures import Sample


def _polygon(exterior, *interior):
    return geometry.Polygon.from_json({"points": {"exterior": exterior, "interior": list(interior)}})


def _draw(labels, **kwargs):
    settings = {"class_ids": [1] * len(labels), "ignore": [False] * len(labels), "height": 8, "width": 10}
    return rasterize.rasterize(labels, **(settings | kwargs))


def test_an_object_is_drawn_inside_its_box():
    # Outline on pixels 2..6 in x and 1..5 in y, with a hole whose outline counts as hole: x 3..5, y 2..4
    ring = _polygon([[2, 1], [6, 1], [6, 5], [2, 5]], [[3, 2], [5, 2], [5, 4], [3, 4]])
    instances = _draw([ring], class_ids=[3])
    np.testing.assert_array_equal(instances.boxes, [[1, 2, 6, 7]])
    expected = np.ones((5, 5), bool)
    expected[1:4, 1:4] = False
    np.testing.assert_array_equal(instances.masks[0], expected)
    assert instances.class_ids.tolist() == [3]
    assert (instances.boxes.dtype, instances.class_ids.dtype) == (np.float32, np.int32)


def test_overlaps_are_independent():
    square = _polygon([[0, 0], [3, 0], [3, 3], [0, 3]])
    instances = _draw([square, square])
    assert [mask.all() for mask in instances.masks] == [True, True]


def test_clipped_at_the_border_and_dropped_outside():
    inside, partly = _polygon([[1, 1], [2, 1], [2, 2]]), _polygon([[-5, -5], [1, -5], [1, 0], [-5, 0]])
    outside = _polygon([[20, 20], [30, 20], [30, 30]])
    instances = _draw([outside, partly, inside], class_ids=[1, 2, 3], ignore=[False, True, False])
    np.testing.assert_array_equal(instances.boxes, [[0, 0, 1, 2], [1, 1, 3, 3]])
    assert instances.class_ids.tolist() == [2, 3]
    assert instances.ignore.tolist() == [True, False]


def test_no_objects():
    instances = _draw([])
    assert instances.boxes.shape == (0, 4)
    assert instances.masks == ()
    assert instances.class_ids.shape == instances.ignore.shape == (0,)


def test_class_ids_must_be_one_per_label():
    with pytest.raises(IndexError):
        _draw([_polygon([[0, 0], [1, 0], [1, 1]])], class_ids=[])


def test_grid_mask_measures_coverage():
    # 3 columns on 2 cells of 1.5: (1 + .5 * 0) / 1.5 = 2/3 and (.5 * 0 + 1) / 1.5 = 2/3
    mask = np.array([[True, False, True]])
    share = round(255 * 2 / 3)
    np.testing.assert_array_equal(rasterize.grid_mask(mask, 2), [[share, share]] * 2)


def test_grid_mask_of_a_full_box_is_full():
    for shape in [(1, 1), (1, 200), (200, 1), (56, 56), (57, 90), (10, 500)]:
        assert (rasterize.grid_mask(np.ones(shape, bool), 56) == 255).all(), shape


def test_grid_mask_does_not_fade_at_the_border():
    mask = np.zeros((4, 4), bool)
    mask[:, 0] = True
    grid = rasterize.grid_mask(mask, 8)
    assert (grid[:, :2] == 255).all()
    assert not grid[:, 2:].any()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_grid_mask_equals_counting(height, width, size, seed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    fine = np.kron(mask, np.ones((size, size)))  # each pixel in size x size parts: cells now have whole borders
    share = fine.reshape(size, height, size, width).mean(axis=(1, 3))
    grid = rasterize.grid_mask(mask, size)
    assert grid.dtype == np.uint8
    np.testing.assert_allclose(grid, 255 * share, atol=0.502)  # rounded, in float32


def test_grid_mask_refuses_nothing():
    with pytest.raises(ValueError, match="at least one pixel, got 0x3"):
        rasterize.grid_mask(np.zeros((0, 3), bool), 4)


def test_draw_sample_draws_the_objects_with_extras_and_facts():
    square, outside = _polygon([[1, 2], [3, 2], [3, 4], [1, 4]]), _polygon([[20, 20], [30, 20], [30, 30]])
    sample = Sample(
        "a.png", "a.png", (outside, square), (1, 2), (False, True), (8, 10), {"age": np.array([5.0, 6.0])}, {"wet": 1}
    )
    drawn = rasterize.draw_sample(sample, height=8, width=10)
    assert (drawn.boxes.tolist(), drawn.class_ids.tolist(), drawn.ignore.tolist()) == ([[2, 1, 5, 4]], [2], [True])
    assert (drawn.extras["age"].tolist(), drawn.facts) == ([6.0], {"wet": 1})
    assert drawn.masks[0].all()
