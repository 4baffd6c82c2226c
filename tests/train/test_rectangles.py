"""A whole run on wide and tall images with rectangular model inputs, to the exported model."""

import json
import math

import cv2
import numpy as np
import pytest

from mrcnn.config.inference import FullImageMode
from mrcnn.config.load import load_train_config
from mrcnn.evaluate import run as scoring
from mrcnn.export import run as exporting
from mrcnn.project.annotation import Annotation, Label, Tag
from mrcnn.project.geometry import Bitmap
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter
from mrcnn.train import checkpoint, run

from . import tiny
from .conftest import HeardLog

# 48 x 64 is enlarged to 64 x 85, which 64 x 128 holds; 64 x 48 to 85 x 64
SIZE = {"min_dim": 64, "max_dim": 128}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "project"
    meta = ProjectMeta((ClassMeta("disc", "bitmap", "#FF0000"), ClassMeta("bar", "bitmap", "#00FF00")))
    with ProjectWriter(folder, meta.with_tags("train", "val")) as writer:
        for index in range(10):
            image, mask, title = tiny.draw(index)
            if index // 2 % 2:
                image, mask = np.rot90(image).copy(), np.rot90(mask).copy()
            tag = Tag("train" if index < 6 else "val")
            annotation = Annotation(image.shape[:2], (tag,), (Label(title, Bitmap((0, 0), mask)),))
            writer.add("ds", f"{index}.png", cv2.imencode(".png", image)[1].tobytes(), annotation=annotation)
    return folder


@pytest.fixture(scope="module")
def trained(project, tmp_path_factory):
    output, log = tmp_path_factory.mktemp("runs") / "run", HeardLog()
    model = {**tiny.CONFIG["model"], "score_threshold": 0.0}
    config = load_train_config({**tiny.CONFIG, "input_size": SIZE, "model": model, "epochs": 1})
    run.train(config, project_dir=project, output_dir=output, log=log)
    return output, log


def test_train_chooses_logs_and_stores_rectangles(trained):
    output, log = trained
    # 4 wide and 2 tall images: by squares 128 * 128 pixels each, by rectangles 64 * 128
    told = "input 64x128 or 128x64 (rectangles with 50% as many pixels as squares)"
    assert any(told in message for message in log.messages), log.messages
    settings = json.loads((output / checkpoint.BEST / checkpoint.CONFIG).read_text())["settings"]
    assert settings["input_size"]["shape"] == "rectangle"


def test_evaluate_model_gives_the_ap_of_the_validation(trained, project):
    output = trained[0]
    found = scoring.evaluate_model(
        output, project, tag="val", mode=FullImageMode(), names={}, loading={"score_threshold": 0.0}, batch_size=2,
        log=HeardLog(),
    )  # fmt: skip
    row = (output / "history.csv").read_text().splitlines()
    last = dict(zip(row[0].split(","), row[-1].split(","), strict=True))
    assert math.isclose(found["box_ap"], float(last["val_box_ap"]), abs_tol=1e-6)
    assert math.isclose(found["mask_ap"], float(last["val_mask_ap"]), abs_tol=1e-6)


def test_export_model_equals_the_live_model_on_wide_and_tall_images(trained, project, tmp_path):
    output, log = trained
    images = tmp_path / "images"
    images.mkdir()
    for name in ("0", "2", "4", "6"):
        (images / f"{name}.png").write_bytes((project / "ds" / "img" / f"{name}.png").read_bytes())
    exported = exporting.export(output, tmp_path / "exported", images=images, score_threshold=0.0, log=log)
    assert exported.proofs[0].paired > 0
    labels = json.loads((tmp_path / "exported" / "labels.json").read_text())
    assert labels["input_size"] == {**SIZE, "shape": "rectangle"}
