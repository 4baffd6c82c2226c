"""The cascade learns drawn figures by heart: minutes, so marked slow."""

import pytest

from mrcnn.predict.predictor import Predictor
from tests import figures
from tests.train import overfit

CONFIG = overfit.config(epochs=10, box_head="cascade")


@pytest.mark.slow
def test_train_overfits_the_boxes_and_masks_of_drawn_figures(tmp_path):
    rows = overfit.train(tmp_path, CONFIG)
    for name in ("mrcnn_class_loss", "mrcnn_class_loss_stage2", "mrcnn_class_loss_stage3"):
        assert float(rows[-1][name]) < float(rows[0][name]) / 4
    assert float(rows[-1]["val_box_ap"]) >= 0.95
    assert float(rows[-1]["val_mask_ap"]) >= 0.85
    image, _ = figures.draw(0)
    assert len(Predictor.load(tmp_path / "out").predict([image])[0].boxes) == 1
