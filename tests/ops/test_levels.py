import json
from pathlib import Path

import numpy as np
import pytest

from mrcnn.ops import levels
from tests.traced import both

# detectron2 ROIPooler and torchvision LevelMapper, both floor(4 + log2(sqrt(area) / 224)); boxes xyxy
CASE = json.loads((Path(__file__).parent / "cases" / "fpn_levels.json").read_text())


def assign(boxes, **settings):
    return both(lambda b: levels.assign_levels(b, **settings), np.float32(boxes), unknown_batch=True)


def squares(*sides):
    return [[10, 20, 10 + side, 20 + side] for side in sides]


@pytest.mark.parametrize("library", ["detectron2", "torchvision"])
def test_assign_levels_floor_matches_reference(library):
    boxes = np.float32(CASE["boxes_xyxy"])[:, [1, 0, 3, 2]]
    np.testing.assert_array_equal(assign(boxes, rounding="floor"), CASE[f"expected_level_{library}"])


def test_assign_levels_rounds_as_matterport():
    # 4 + round(log2(side / 224)): the borders lie at 224 * 2 ** (-1.5, -.5, .5) = 79.2, 158.4, 316.8
    sides = (1, 79, 80, 158, 159, 224, 316, 317, 5000)
    np.testing.assert_array_equal(assign(squares(*sides)), [2, 2, 3, 3, 4, 4, 4, 5, 5])


def test_assign_levels_height_and_width_count_alike():
    np.testing.assert_array_equal(assign([[0, 0, 56, 896], [0, 0, 896, 56]]), [4, 4])  # sqrt(56 * 896) = 224


def test_assign_levels_degenerate_boxes_get_the_finest_level():
    boxes = [[0, 0, 0, 0], [5, 5, 5, 500], [900, 900, 1, 1]]
    np.testing.assert_array_equal(assign(boxes), [2, 2, 2])
    np.testing.assert_array_equal(assign(boxes, rounding="floor"), [2, 2, 2])


def test_assign_levels_leading_axes_are_kept():
    result = assign(np.zeros((2, 3, 4)))
    assert result.shape == (2, 3)
    assert result.dtype == np.int32
    assert assign(np.zeros((0, 4))).shape == (0,)


def test_assign_levels_rounding_must_be_known():
    with pytest.raises(ValueError, match='rounding must be "round" or "floor", got \'ceil\''):
        levels.assign_levels(np.zeros((1, 4)), rounding="ceil")


def test_assign_levels_margin_moves_a_box_onto_the_boundary():
    # a hair below 448, where P5 begins: log2(447.9999 / 224) is 3.2e-7 below 1
    box = squares(447.9999)
    assert np.asarray(assign(box, rounding="floor")).tolist() == [4]
    assert np.asarray(assign(box, rounding="floor", margin=1e-6)).tolist() == [5]
    # 1e-6 octaves are no more: 447.9 stays
    assert np.asarray(assign(squares(447.9), rounding="floor", margin=1e-6)).tolist() == [4]


def test_assign_levels_margin_leaves_degenerate_boxes_at_the_finest_level():
    assert np.asarray(assign(squares(0.0), rounding="floor", margin=1e-6)).tolist() == [2]
