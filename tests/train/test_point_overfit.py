"""The mask head learns drawn figures by heart from boxes and labelled points: minutes, so marked slow."""

import csv
import json

import numpy as np
import pytest

from mrcnn.config.load import load_train_config
from mrcnn.convert import points
from mrcnn.data.sources.source import DataPaths
from mrcnn.fields.mask_points import MaskPoints
from mrcnn.train import run as training
from tests import figures
from tests.train import overfit
from tests.train.conftest import HeardLog

COUNT = 20


def without_masks(path):
    """Writes the COCO file of drawn figures with boxes and points in place of masks."""
    content = json.loads(path.read_text())
    for item in content["annotations"]:
        (figure,) = figures.draw(item["image_id"])[1]
        (y1, *_, y2), (x1, *_, x2) = (np.flatnonzero(figure.mask.any(axis=axis)).tolist() for axis in (1, 0))
        crop = figure.mask[y1 : y2 + 1, x1 : x2 + 1]
        drawn = points.draw_points(crop, (y1, x1), count=COUNT, rng=np.random.default_rng(item["id"]))
        del item["segmentation"]
        item |= {"bbox": [x1, y1, x2 + 1 - x1, y2 + 1 - y1], **MaskPoints().to_coco(drawn.points)}
    changed = path.with_name("points.json")
    changed.write_text(json.dumps(content))
    return changed


@pytest.mark.slow
def test_train_overfits_the_masks_of_drawn_figures_from_points(tmp_path):
    data, images = figures.write_coco(tmp_path / "data", images=4)
    paths = DataPaths(without_masks(data), images, data, images)  # the masks validate
    config = load_train_config(overfit.config(epochs=60, mask_supervision="points"))
    log = HeardLog()
    training.train(config, data=paths, output_dir=tmp_path / "out", log=log)
    assert "`model.mask_points` 20: 4 of 8 objects have labelled points" in log.messages
    with (tmp_path / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    print(rows[-1])
    assert float(rows[-1]["mrcnn_mask_loss"]) < float(rows[0]["mrcnn_mask_loss"]) / 4
    assert float(rows[-1]["val_mask_ap"]) >= 0.8
