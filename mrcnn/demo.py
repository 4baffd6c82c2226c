"""Runs the demo: makes a project, trains, evaluates, infers, exports, verifies and draws."""

import shutil
import time
from pathlib import Path

import numpy as np

from mrcnn import files
from mrcnn.annotate import draw, run
from mrcnn.config import load, presets
from mrcnn.convert import coins
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.text_table import text_table
from mrcnn.events import EventLog
from mrcnn.export import run as exporting
from mrcnn.images import pixels
from mrcnn.predict import sources
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.staged import AnyPredictor
from mrcnn.train import run as training

TRAIN_PRESET, INFERENCE_PRESET = presets.folder() / "demo.json", presets.folder() / "inference_full_image.json"
OWN = ("project", "model", "results", "saved_model")  # folders that an earlier run may have left
OVERLAY = "overlay.png"
GAP = 12  # white pixels between the pictures of the overlay


def main(output: Path, log: EventLog) -> None:
    """Runs all steps of the demo.

    It replaces the results of an earlier run, and leaves everything else in `output` unchanged.

    Args:
        output: folder for `project/`, `model/`, `results/`, `saved_model/` and `overlay.png`.
        log: receives every step and, at the end, the scores and the time.
    """
    began = time.monotonic()
    for name in OWN:
        shutil.rmtree(output / name, ignore_errors=True)
    (output / OVERLAY).unlink(missing_ok=True)
    project = coins.make_coins_project(output / "project" / "coins")
    config = load.load_train_config(TRAIN_PRESET, warn=log.warning)
    training.train(config, project_dir=project, output_dir=output / "model", log=log)

    predictor = Predictor.load(output / "model" / "best")
    untouched = sources.with_tag(sources.open_project(project), coins.VAL_TAG)
    metrics = scoring.evaluate(predictor, untouched, log=log)
    inference = load.load_inference_config(INFERENCE_PRESET, warn=log.warning)
    run.apply(predictor, untouched, output / "results", config=inference, log=log, options=run.Options())
    photographs = output / "results" / untouched.name / coins.DATASET / "img"
    exporting.export(output / "model" / "best", output / "saved_model", log=log, images=photographs)
    draw_overlay(predictor, untouched, output / OVERLAY)
    log.info(text_table(metrics))
    log.info(f"done in {time.monotonic() - began:.0f} s; the detections are drawn in {output / OVERLAY}")


def draw_overlay(predictor: AnyPredictor, source: sources.Source, path: Path) -> None:
    """Draws the detections on all images of a source and stacks them in one PNG."""
    found = []
    for entry in source.entries:
        image = pixels.read_image(entry.path)
        found.append(draw.draw(image, predictor.predict([image])[0]))
    width = max(picture.shape[1] for picture in found)
    rows = [
        np.pad(picture, ((0, GAP), (0, width - picture.shape[1]), (0, 0)), constant_values=255) for picture in found
    ]
    with files.writing("the picture", path):
        path.write_bytes(draw.encode(np.concatenate(rows)[:-GAP], ".png"))
