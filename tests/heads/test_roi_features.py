import numpy as np
import pytest

from mrcnn.heads.roi_features import RoiFeatures


def _pyramid():
    """Maps of a 256 x 256 image whose cells hold the number of their level."""
    return tuple(np.full((2, 256 // stride, 256 // stride, 1), level, "float32") for level, stride in
                 ((2, 4), (3, 8), (4, 16), (5, 32)))  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "side", "level"),
    [("crop_and_resize", 112, 3), ("crop_and_resize", 200, 4), ("aligned", 200, 3), ("aligned", 224, 4)],
)
def test_roi_features_level_by_size(mode, side, level):
    # 4 + log2(side / 224): Matterport rounds, the aligned form takes the floor
    rois = np.array([[0, 0, side, side]], "float32")
    layer = RoiFeatures(output_size=2, mode=mode)
    got = np.asarray(layer(_pyramid(), rois, np.array([1]), image_size=(256, 256)))
    np.testing.assert_allclose(got, np.full((1, 2, 2, 1), level))


def test_roi_features_no_region():
    rois, image = np.zeros((0, 4), "float32"), np.zeros(0, "int32")
    assert RoiFeatures(output_size=7)(_pyramid(), rois, image, image_size=(256, 256)).shape == (0, 7, 7, 1)


def test_roi_features_level_counts_pixels_in_a_shifted_frame_too():
    # 158.4 pixels: 4 + log2(158.4 / 224) = 3.50003 rounds to 4; in the frame of one pixel less the same region has a
    # side of 158.4 * 255 / 256 = 157.78, by itself 3.49
    rois = np.array([[0, 0, 158.4 * 255 / 256, 158.4 * 255 / 256]], "float32")
    layer = RoiFeatures(output_size=2)
    got = layer(_pyramid(), rois, np.array([1]), image_size=(256, 256), extent=(255, 255))
    np.testing.assert_allclose(got, np.full((1, 2, 2, 1), 4))
    np.testing.assert_allclose(layer(_pyramid(), rois, np.array([1]), image_size=(256, 256)), np.full((1, 2, 2, 1), 3))
