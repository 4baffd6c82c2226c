"""The mask head learns drawn blobs by heart from boxes and labelled points: minutes, so marked slow."""

import csv
import json

import cv2
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

COUNT = 200  # points of an object: the head is to know masks by heart that it has never seen
SIDE = figures.SIDE


def draw(index):
    """Draws a turned ellipse on a dark ground with noise: the image and the mask."""
    random = np.random.default_rng(index)
    image, mask = random.integers(0, 50, (SIDE, SIDE, 3)).astype(np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    centre, axes = random.integers(50, 78, 2).tolist(), random.integers(22, 40, 2).tolist()
    cv2.ellipse(mask, centre, axes, float(random.uniform(0, 180)), 0, 360, 1, -1)
    image[mask > 0] = 250, 210, 80
    return image, mask > 0


def write(folder):
    """Writes copies of four images as COCO data with points and without masks, and the four with masks."""
    (folder / "img").mkdir(parents=True)
    images, boxes, masks = [], [], []
    for index in range(overfit.STEPS * overfit.BATCH):
        image, mask = draw(index % overfit.BATCH)
        cv2.imwrite(str(folder / "img" / f"{index}.png"), image[..., ::-1])
        images.append({"id": index, "file_name": f"{index}.png", "height": SIDE, "width": SIDE})
        (y1, *_, y2), (x1, *_, x2) = (np.flatnonzero(mask.any(axis=axis)).tolist() for axis in (1, 0))
        rng = np.random.default_rng(index)
        drawn = points.draw_points(mask[y1 : y2 + 1, x1 : x2 + 1], (y1, x1), count=COUNT, rng=rng)
        edges = np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=False, append=False))
        counts = np.diff(edges, prepend=0, append=mask.size).tolist()
        common = {"id": index + 1, "image_id": index, "category_id": 1, "bbox": [x1, y1, x2 + 1 - x1, y2 + 1 - y1]}
        boxes.append({**common, **MaskPoints().to_coco(drawn.points)})
        masks.append({**common, "segmentation": {"size": [SIDE, SIDE], "counts": counts}})
    for name, annotations, count in (("points", boxes, len(images)), ("masks", masks, overfit.BATCH)):
        content = {
            "images": images[:count],
            "annotations": annotations[:count],
            "categories": [{"id": 1, "name": "blob"}],
        }
        (folder / f"{name}.json").write_text(json.dumps(content))
    return DataPaths(folder / "points.json", folder / "img", folder / "masks.json")


@pytest.mark.slow
def test_train_overfits_masks_from_points(tmp_path):
    config = load_train_config(overfit.config(epochs=6, mask_supervision="points"))
    log = HeardLog()
    training.train(config, data=write(tmp_path / "data"), output_dir=tmp_path / "out", log=log)
    assert f"`model.mask_points` {COUNT}: 40 of 44 objects have labelled points" in log.messages
    with (tmp_path / "out" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    print({name: value for name, value in rows[-1].items() if "ap" in name or "mask" in name})
    assert float(rows[-1]["mrcnn_mask_loss"]) < float(rows[0]["mrcnn_mask_loss"]) / 4
    assert float(rows[-1]["val_mask_ap"]) >= 0.8
