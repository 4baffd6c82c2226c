"""The cascade learns drawn figures by heart: minutes, so marked slow."""

import csv

import pytest

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.predict.predictor import Predictor
from mrcnn.train import run as training
from tests import figures
from tests.train.conftest import HeardLog

CONFIG = {
    "lr": 0.0015,
    "epochs": 100,
    "batch_size": {"train": 4, "val": 4},
    "input_size": {"min_dim": figures.SIDE, "max_dim": figures.SIDE},
    "weights_init_type": "random",
    "model": {
        "backbone": "resnet50", "batch_norm": "trained", "anchor_sizes": [16, 32, 64, 96, 128], "fpn_channels": 64,
        "rpn_channels": 64, "box_fc_channels": 256, "pre_nms_topk": 500, "post_nms_topk_train": 200,
        "post_nms_topk": 50, "roi_samples": 32, "max_gt_instances": 4, "detections_per_image": 10,
        "box_head": "cascade",
    },
    "optimizer": {"name": "adam"},
    "lr_schedule": {"name": "cosine", "warmup_steps": 20, "final_fraction": 0.02},
    "validation": {"every_epochs": 100},
}  # fmt: skip


@pytest.mark.slow
def test_train_overfits_the_boxes_and_masks_of_drawn_figures(tmp_path):
    data, images = figures.write_coco(tmp_path / "data", images=4)
    paths = DataPaths(data, images, data, images)  # it is measured on the images that it learns
    training.train(load_train_config(CONFIG), data=paths, output_dir=tmp_path / "out", log=HeardLog())
    with (tmp_path / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("mrcnn_class_loss", "mrcnn_class_loss_stage2", "mrcnn_class_loss_stage3"):
        assert float(rows[-1][name]) < float(rows[0][name]) / 4
    assert float(rows[-1]["val_box_ap"]) >= 0.95
    assert float(rows[-1]["val_mask_ap"]) >= 0.85
    image, _ = figures.draw(0)
    assert len(Predictor.load(tmp_path / "out").predict([image])[0].boxes) == 1
