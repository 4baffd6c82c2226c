"""Runs the demo: makes a project, trains, evaluates, infers, exports, verifies and draws.

The export and its verification need TensorFlow and are left out with another back end of Keras.
"""

import shutil
import time
from pathlib import Path

import keras
import numpy as np

from mrcnn import files, startup
from mrcnn.annotate import draw, run
from mrcnn.config import load, presets
from mrcnn.convert import coins
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.text_table import text_table
from mrcnn.events import EventLog
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
        output: folder for `project/`, `model/`, `results/`, `saved_model/` (with TensorFlow) and `overlay.png`.
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
    export_model(output / "model" / "best", output / "saved_model", images=photographs, log=log)
    draw_overlay(predictor, untouched, output / OVERLAY)
    log.info(text_table(metrics))
    log.info(f"done in {time.monotonic() - began:.0f} s; the detections are drawn in {output / OVERLAY}")


def export_model(model: Path, output: Path, *, images: Path, log: EventLog) -> None:
    """Exports a model, if Keras runs on TensorFlow; else logs one line.

    Args:
        model: its folder.
        output: folder of the exported model.
        images: on which the exported model is compared with the original.
        log: receives the messages.
    """
    if keras.config.backend() != startup.TENSORFLOW:
        log.info(f"{output} is not written: export needs TensorFlow, and Keras runs on {keras.config.backend()}")
        return
    startup.load("mrcnn.export.run").export(model, output, log=log, images=images)


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
