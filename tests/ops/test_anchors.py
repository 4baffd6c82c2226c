import json
from pathlib import Path

import numpy as np
import pytest

from mrcnn.ops import anchors

# detectron2, torchvision and tensorflow/models anchor tests; xyxy, aspect ratios as height / width, unless said
CASES = {
    case["name"]: case for case in json.loads((Path(__file__).parent / "cases" / "anchors.json").read_text())["cases"]
}
RATIOS = (0.5, 1.0, 2.0)


@pytest.mark.parametrize("name", ["d2_offset0", "d2_offset0.5", "tv_size10_ratio1_stride5"])
def test_level_anchors_matches_published_cases(name):
    case = CASES[name]
    result = anchors.level_anchors(
        *case["feature_hw"],
        stride=case["stride"],
        size=case["sizes"],
        aspect_ratios=[1 / ratio for ratio in case["aspect_ratios_h_over_w"]],
        offset=case["offset"],
    )
    np.testing.assert_allclose(result[:, [1, 0, 3, 2]], case["expected_xyxy"], atol=1e-5)


def test_level_anchors_matches_tensorflow_models_centres():
    case = CASES["tfmg_level5"]
    result = anchors.level_anchors(2, 2, stride=32, size=64, aspect_ratios=case["aspect_ratios"], offset=0.5)
    np.testing.assert_array_equal(result.reshape(2, 2, 4), case["expected_yxyx"])


def test_level_anchors_matches_tensorflow_models_ratios():
    case = CASES["tfmg_level6_ratios"]
    result = anchors.level_anchors(1, 1, stride=64, size=128, aspect_ratios=case["aspect_ratios"], offset=0.5)
    np.testing.assert_array_equal(result.reshape(1, 1, 12), case["expected_yxyx"])


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_level_anchors_matches_unrounded_cells(size):
    case = CASES[f"fpn_cell_size{size}"]
    result = anchors.level_anchors(1, 1, stride=case["stride"], size=size, aspect_ratios=(2, 1, 0.5), offset=0)
    np.testing.assert_allclose(result[:, [1, 0, 3, 2]], case["expected_d2"], rtol=1e-6)


def test_level_anchors_order_is_row_column_ratio():
    result = anchors.level_anchors(2, 3, stride=8, size=4, aspect_ratios=(0.25, 1.0), offset=0.0)
    centres = (result[:, :2] + result[:, 2:]) / 2
    np.testing.assert_array_equal(centres[::2], [[y, x] for y in (0, 8) for x in (0, 8, 16)])
    # ratio 0.25: height 4 / sqrt(.25) = 8, width 4 * sqrt(.25) = 2
    np.testing.assert_array_equal(result[0], [-4, -1, 4, 1])
    np.testing.assert_array_equal(result[1], [-2, -2, 2, 2])


@pytest.mark.parametrize(("side", "count"), [(256, 16_368), (1024, 261_888)])
def test_pyramid_anchors_matterport_pyramid_has_the_known_number_of_anchors(side, count):
    strides = (4, 8, 16, 32, 64)
    result = anchors.pyramid_anchors(
        [(side // stride, side // stride) for stride in strides],
        strides=strides,
        sizes=(32, 64, 128, 256, 512),
        aspect_ratios=RATIOS,
        offset=0.0,
    )
    assert result.shape == (count, 4)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], [-22.627417, -11.313708, 22.627417, 11.313708], rtol=1e-6)
    np.testing.assert_allclose(result[-1], np.add([-181.01934, -362.03867, 181.01934, 362.03867], side - 64), rtol=1e-6)


def test_pyramid_anchors_a_level_may_have_several_sizes():
    result = anchors.pyramid_anchors([(1, 1), (1, 1)], strides=(4, 8), sizes=((2, 4), 6), aspect_ratios=[1], offset=0)
    np.testing.assert_array_equal(result, [[-1, -1, 1, 1], [-2, -2, 2, 2], [-3, -3, 3, 3]])


def test_level_anchors_and_pyramid_anchors_no_cells_and_no_levels_give_no_anchors():
    assert anchors.level_anchors(0, 5, stride=4, size=8, aspect_ratios=RATIOS, offset=0).shape == (0, 4)
    assert anchors.pyramid_anchors([], strides=(), sizes=(), aspect_ratios=RATIOS, offset=0).shape == (0, 4)


def test_level_anchors_and_pyramid_anchors_numbers_must_be_positive_and_levels_agree():
    with pytest.raises(ValueError, match="must be positive"):
        anchors.level_anchors(1, 1, stride=4, size=0, aspect_ratios=RATIOS, offset=0)
    with pytest.raises(ValueError, match="must be positive"):
        anchors.level_anchors(1, 1, stride=4, size=8, aspect_ratios=(1, -1), offset=0)
    with pytest.raises(ValueError, match="got 1 levels, 2 strides and 1 sizes"):
        anchors.pyramid_anchors([(1, 1)], strides=(4, 8), sizes=(8,), aspect_ratios=RATIOS, offset=0)


@pytest.mark.parametrize("size", [32, 64, 128, 256, 512])
def test_level_anchors_rounded_matches_torchvisions_cells(size):
    case = CASES[f"fpn_cell_size{size}"]
    result = anchors.level_anchors(
        1, 1, stride=case["stride"], size=size, aspect_ratios=(2, 1, 0.5), offset=0, rounded=True
    )
    np.testing.assert_array_equal(result[:, [1, 0, 3, 2]], case["expected_torchvision"])


def test_level_anchors_rounded_halves_go_to_the_even_number():
    # half sides 0.5 -> 0, 1.5 -> 2, 2.5 -> 2
    result = anchors.level_anchors(1, 1, stride=4, size=(1, 3, 5), aspect_ratios=[1], offset=0, rounded=True)
    np.testing.assert_array_equal(result, [[0, 0, 0, 0], [-2, -2, 2, 2], [-2, -2, 2, 2]])


def test_level_anchors_each_axis_may_have_its_own_stride():
    result = anchors.level_anchors(2, 2, stride=(3, 5), size=2, aspect_ratios=[1], offset=0)
    np.testing.assert_array_equal(result[:, :2] + 1, [[0, 0], [0, 5], [3, 0], [3, 5]])


@pytest.mark.parametrize("stride", [0, (4, 0), (-1, 4)])
def test_level_anchors_a_stride_must_be_positive(stride):
    with pytest.raises(ValueError, match=r"^anchor strides, sizes and aspect ratios must be positive"):
        anchors.level_anchors(1, 1, stride=stride, size=8, aspect_ratios=RATIOS, offset=0)


def test_level_anchors_of_unknown_size_are_the_same_in_a_graph():
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)] * 4)
    def traced(height, width, stride_y, stride_x):
        return anchors.level_anchors(
            height, width, stride=(stride_y, stride_x), size=32, aspect_ratios=RATIOS, offset=0.5, rounded=True
        )

    known = anchors.level_anchors(3, 2, stride=(61, 64), size=32, aspect_ratios=RATIOS, offset=0.5, rounded=True)
    np.testing.assert_array_equal(traced(3, 2, 61, 64), known)
