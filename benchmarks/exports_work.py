"""Measures one route of `benchmarks.exports` in a process of its own; prints a line of JSON.

`seconds`: of an image, median of the runs; `cpu_seconds`: that of the processor time of all threads; `peak_gb`; with
--project also `box_ap` and `mask_ap`.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf
from skimage import data

from benchmarks import timing
from mrcnn import events
from mrcnn.config.input_size import InputSize
from mrcnn.evaluate import run
from mrcnn.model_folder import read
from mrcnn.predict import sources
from mrcnn.predict.exported import ExportedPredictor
from mrcnn.predict.predictor import Predictor
from mrcnn.predict.runtimes import openvino
from mrcnn.predict.staged import AnyPredictor
from mrcnn.structures import EVALUATION_SCORE_THRESHOLD

MEASURES = ("box_ap", "mask_ap")


def main(options: argparse.Namespace) -> None:
    """Times the predictor and prints the result."""
    predictor = opened(options)
    image = picture(*(options.size or (predictor.facts.min_dim, predictor.facts.max_dim)))
    images = [image] * options.batch
    predictor.predict(images, batch_size=options.batch)
    timed = [_timed(predictor, images) for _ in range(options.runs)]
    wall, processor = (statistics.median(values) for values in zip(*timed, strict=True))
    found = {"seconds": wall, "cpu_seconds": processor, "peak_gb": timing.peak_gb()}
    if options.project:
        source = sources.open_project(options.project)
        source = sources.with_tag(source, options.tag) if options.tag else source
        metrics = run.evaluate(predictor, source, log=events.JsonLog())
        found |= {name: metrics[name] for name in MEASURES if name in metrics}
    print(json.dumps(found))


def _timed(predictor: AnyPredictor, images: list[np.ndarray]) -> tuple[float, float]:
    """Measures the seconds, and the seconds of processor time, of an image of a batch."""
    before, count = time.process_time(), len(images)
    (wall,) = timing.seconds(lambda: predictor.predict(images, batch_size=count), 1)
    return wall / count, (time.process_time() - before) / count


def opened(options: argparse.Namespace) -> AnyPredictor:
    """Opens the live model, or the exported one in its runtime."""
    if options.format == "live":
        if options.threads:
            tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        stored = read.read_model(options.model)
        if options.size:
            low, high = options.size
            shape = "square" if low == high else "rectangle"
            stored = replace(stored, input_size=InputSize(min_dim=low, max_dim=high, shape=shape))
        threshold = EVALUATION_SCORE_THRESHOLD
        return Predictor(read.load_model(stored, score_threshold=threshold, device="cpu", precision=options.precision))
    if options.format == "openvino":
        file = openvino.open_file(options.model / "model.xml", threads=options.threads, precision=options.precision)
        return ExportedPredictor(file.run, file.outputs, properties=file.properties, files=file.files)
    threads = options.threads or (os.cpu_count() if options.format == "litert" else None)  # LiteRT's own choice is one
    return ExportedPredictor.load(options.model, threads=threads)


def picture(height: int, width: int) -> np.ndarray:
    """Scales a photograph of a person to `[height, width, 3]` uint8."""
    return cv2.resize(data.astronaut(), (width, height), interpolation=cv2.INTER_LINEAR)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--format", required=True)
    parser.add_argument("--precision", default="")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--tag")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
