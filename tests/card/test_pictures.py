import cv2
import numpy as np

from mrcnn.card import pictures
from mrcnn.predict import compact
from mrcnn.structures import GroundTruth, Instances


def test_side_by_side_scales_and_joins():
    left, right = np.zeros((50, 100, 3), np.uint8), np.full((50, 100, 3), 200, np.uint8)
    joined = pictures.side_by_side(left, right)
    assert joined.shape == (360, 720 + 12 + 720, 3)  # 720 / 100 = 7.2 times
    assert joined[:, :720].max() == 0
    assert joined[:, 720:732].min() == 255
    assert joined[:, 732:].min() == joined[:, 732:].max() == 200


def test_side_by_side_joins_wide_pictures_above_each_other():
    joined = pictures.side_by_side(np.zeros((40, 100, 3), np.uint8), np.ones((40, 100, 3), np.uint8))
    assert joined.shape == (288 + 12 + 288, 720, 3)


def test_write_example_draws_both(tmp_path):
    image = np.full((100, 100, 3), 100, np.uint8)
    boxes = np.float32([[20, 20, 60, 60], [70, 70, 90, 90]])
    masks = (np.ones((40, 40), bool), np.ones((20, 20), bool))
    instances = Instances(boxes, np.int32([1, 1]), masks, np.array([False, True]))
    path = tmp_path / "a.jpg"
    pictures.write_example(
        path,
        image,
        truth=GroundTruth(100, 100, instances),
        found=compact.empty((100, 100)),
        class_names=("bg", "cat"),
        class_colors={"cat": "#FF0000", "bg": "#000000"},
        fields={},
    )
    found = cv2.imread(str(path))[..., ::-1].astype(int)
    assert found.shape == (720, 1452, 3)
    inside = found[288, 288]  # y, x = 40 of 100: half of the mask; 0.45 * 255 + 0.55 * 100 = 170, 55
    np.testing.assert_allclose(inside, [170, 55, 55], atol=4)
    np.testing.assert_allclose(found[576, 576], [100] * 3, atol=3)  # a region to ignore is not drawn
    np.testing.assert_allclose(found[288, 732 + 288], [100] * 3, atol=3)  # nothing was detected
    assert [item.name for item in tmp_path.iterdir()] == ["a.jpg"]
