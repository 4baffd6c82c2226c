"""The keypoint head learns drawn figures by heart: minutes, so marked slow."""

import pytest

from mrcnn.predict.predictor import Predictor
from tests import figures
from tests.train import overfit

CONFIG = overfit.config(epochs=80, extra_heads=["keypoints"], keypoint_channels=[64, 64, 64, 64])


@pytest.mark.slow
def test_train_overfits_the_keypoints_of_drawn_figures(tmp_path):
    rows = overfit.train(tmp_path, CONFIG, copies=1)
    assert float(rows[-1]["mrcnn_keypoint_loss"]) < float(rows[0]["mrcnn_keypoint_loss"]) / 4
    assert float(rows[-1]["val_keypoint_ap"]) >= 0.95
    image, (figure,) = figures.draw(0)
    found = Predictor.load(tmp_path / "out").predict([image])[0]
    assert len(found.boxes) == 1
    away = found.extras["keypoints"][0, :, :2] - (figure.points[:, :2] + 0.5)
    assert abs(away).max() < 4  # pixels; left and right are not confused
