"""Trains a small model on drawn figures until it knows them by heart: minutes, for slow tests."""

import csv

from mrcnn.config.load import load_train_config
from mrcnn.data.sources.source import DataPaths
from mrcnn.train import run as training
from tests import figures
from tests.train.conftest import HeardLog

BATCH, STEPS = 4, 10  # images of a step, which are all that differ, and steps of an epoch


def config(*, epochs, **model):
    """Makes a train config of `epochs` epochs, validated after the last; `model` adds keys of the model."""
    return {
        "lr": 0.0015,
        "epochs": epochs,
        "batch_size": {"train": BATCH, "val": BATCH},
        "input_size": {"min_dim": figures.SIDE, "max_dim": figures.SIDE},
        "weights_init_type": "random",
        "model": {
            "backbone": "resnet50", "batch_norm": "trained", "anchor_sizes": [16, 32, 64, 96, 128], "fpn_channels": 64,
            "rpn_channels": 64, "box_fc_channels": 256, "pre_nms_topk": 500, "post_nms_topk_train": 200,
            "post_nms_topk": 50, "roi_samples": 32, "max_gt_instances": 4, "detections_per_image": 10,
            "detection_nms_iou_threshold": 0.3,  # the figures hardly overlap
            **model,
        },
        "optimizer": {"name": "adam"},
        "lr_schedule": {"name": "cosine", "warmup_steps": 20, "final_fraction": 0.02},
        "validation": {"every_epochs": epochs},
        "checkpoints": {"keep": 1},
    }  # fmt: skip


def train(folder, values, *, copies=STEPS):
    """Trains on copies of four figures, which also validate; the model is `folder / "out"`.

    An epoch has as many steps as there are copies of each figure.

    Returns:
        The rows of the history.
    """
    paths = DataPaths(
        *figures.write_coco(folder / "data", images=copies * BATCH, different=BATCH),
        *figures.write_coco(folder / "val", images=BATCH),
    )
    training.train(load_train_config(values), data=paths, output_dir=folder / "out", log=HeardLog())
    with (folder / "out" / "history.csv").open() as file:
        return list(csv.DictReader(file))
