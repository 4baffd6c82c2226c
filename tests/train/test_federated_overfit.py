"""A score of its own for each class, with the federated loss, learns drawn shapes by heart: minutes, so marked slow."""

import csv

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.predict.predictor import Predictor
from mrcnn.train import run as training
from tests.train import overfit
from tests.train import test_hourglass_overfit as shapes
from tests.train.conftest import HeardLog

CONFIG = {
    **overfit.config(epochs=80, class_loss="federated", federated_classes=1, score_threshold=0.05),
    "sampling": {"repeat_threshold": 0.5},  # no class is so rare
}


@pytest.mark.slow
def test_train_overfits_boxes_and_masks_with_a_score_for_each_class(tmp_path):
    data, images = shapes.write_coco(tmp_path / "data")
    paths = DataPaths(data, images, data, images)
    training.train(load_train_config(CONFIG), data=paths, output_dir=tmp_path / "out", log=HeardLog())
    with (tmp_path / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    print(rows[0]["mrcnn_class_loss"], rows[-1]["mrcnn_class_loss"], rows[-1]["val_box_ap"], rows[-1]["val_mask_ap"])
    assert float(rows[-1]["val_box_ap"]) >= 0.9
    assert float(rows[-1]["val_mask_ap"]) >= 0.85
    image, _ = shapes.draw(0)
    found = Predictor.load(tmp_path / "out").predict([image])[0]
    assert sorted(found.class_names[:2]) == ["disc", "triangle"]
