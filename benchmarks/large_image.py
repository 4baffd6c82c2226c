"""Measures seconds and peak memory of an inference mode on one large image.

The time is from the image file to the written project. The measurement runs in a separate process, so that the peak
memory is its own. The image is drawn, the weights are random and the score threshold is 0: every window yields the most
detections that the model allows, of any size, which is more than a trained model finds. The project has an object for
each window and one for the whole image; these are the boxes of the mode `bboxes`.

    python -m benchmarks.large_image                                 # 6000 x 4000 pixels, windows of 1024
    python -m benchmarks.large_image --window 512 --overlap 128
    python -m benchmarks.large_image --mode full_image --overlay     # draws its picture, too
"""

import argparse
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from mrcnn.annotate import run
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.config.load import load_inference_config
from mrcnn.events import JsonLog
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models import build
from mrcnn.predict import sources, windows
from mrcnn.predict.predictor import Predictor
from mrcnn.project.annotation import Annotation, Label
from mrcnn.project.geometry import Rectangle
from mrcnn.project.meta import ClassMeta, ProjectMeta
from mrcnn.project.writer import ProjectWriter

MODES = ("full_image", "roi", "bboxes", "sliding_window", "sliding_window_det")
CLASSES = ("bg", "cell", "grain")
DISCS_PER_MEGAPIXEL = 40


def main() -> None:
    """Runs the measurement in a separate process and prints one line."""
    options = parse()
    if options.here:
        print(json.dumps(measure(options)))
        return
    command = [sys.executable, "-m", "benchmarks.large_image", "--here", *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"failed: {done.stderr.strip().splitlines()[-1]}")
    got = json.loads(done.stdout.strip().splitlines()[-1])
    print(
        f"{options.mode}, {got['width']} x {got['height']} pixels, {got['regions']} regions: "
        f"{got['seconds']:.1f} s, {got['objects']} objects, peak {got['peak_gb']:.2f} GB "
        f"({got['start_gb']:.2f} GB with the model loaded)"
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, default="sliding_window")
    parser.add_argument("--size", type=int, nargs=2, default=(6000, 4000), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--window", type=int, default=1024, help="side of a window")
    parser.add_argument("--input-side", type=int, default=512, help="side of the model's input")
    parser.add_argument("--overlap", type=int, default=256, help="pixels that neighbours share at least")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--score-threshold", type=float, default=0.0)
    parser.add_argument("--channels", type=int, default=64, help="of the model's pyramid")
    parser.add_argument("--overlay", action="store_true", help="draw a picture of what was found, too")
    parser.add_argument("--here", action="store_true", help="measure in this process and print JSON")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs a mode once in this process.

    Returns:
        `seconds` of the run without loading the model; `start_gb` and `peak_gb`, the peak memory in GB before and after
        it; `width` and `height` in pixels; `regions` and `objects`, the number of processed regions and of written
        objects.
    """
    keras.utils.set_random_seed(0)
    predictor = Predictor(make_bundle(options.input_side, options.channels, options.score_threshold))
    predictor.predict([np.zeros((64, 64, 3), np.uint8)])
    start_gb, (width, height) = peak_gb(), options.size
    with tempfile.TemporaryDirectory() as folder:
        source = write_project(Path(folder) / "large", options)
        start = time.perf_counter()
        summary = run.apply(
            predictor,
            source,
            Path(folder) / "out",
            config=load_inference_config({"model": {}, "mode": mode_of(options)}),
            log=JsonLog(io.StringIO()),
            options=run.Options(batch_size=options.batch_size, overlay=options.overlay),
        )
        seconds = time.perf_counter() - start
    count = len(boxes(options))
    return {
        "width": width,
        "height": height,
        "regions": {"full_image": 1, "roi": 1, "bboxes": count}.get(options.mode, count - 1),
        "objects": sum(map(len, summary.scores.values())),
        "seconds": seconds,
        "start_gb": start_gb,
        "peak_gb": peak_gb(),
    }


def mode_of(options: argparse.Namespace) -> dict[str, Any]:
    """Builds the config's `mode` object."""
    side, overlap = options.window, options.overlap
    windows = {"window": {"width": side, "height": side}, "min_overlap": {"x": overlap, "y": overlap}}
    settings = {"full_image": {}, "roi": {"bounds": {"left": "1%"}}, "bboxes": {}}
    return {"name": options.mode, **settings.get(options.mode, windows)}


def boxes(options: argparse.Namespace) -> list[windows.Box]:
    """Lists the boxes of the windows and of the whole image."""
    (width, height), side, overlap = options.size, options.window, options.overlap
    return [*windows.cover((height, width), (side, side), (overlap, overlap)), (0, 0, height, width)]


def write_project(directory: Path, options: argparse.Namespace) -> sources.Source:
    """Writes and opens the project of one image."""
    width, height = options.size
    corners = [np.array([[left, top], [right - 1, bottom - 1]]) for top, left, bottom, right in boxes(options)]
    annotation = Annotation((height, width), labels=tuple(Label("box", Rectangle(pair)) for pair in corners))
    with ProjectWriter(directory, ProjectMeta((ClassMeta("box", "rectangle"),))) as writer:
        image = cv2.imencode(".png", draw_scene(height, width))[1].tobytes()
        writer.add("ds", "large.png", image, annotation=annotation)
    return sources.open_project(directory)


def make_bundle(side: int, channels: int, score_threshold: float) -> ModelBundle:
    """Builds a small model with random weights."""
    config = MatterportConfig(
        backbone="resnet50", fpn_channels=channels, rpn_channels=channels, box_fc_channels=4 * channels,
        score_threshold=score_threshold,
    )  # fmt: skip
    return ModelBundle(
        model=build.build_model(config, num_classes=len(CLASSES)),
        class_names=CLASSES,
        class_metas=tuple(ClassMeta(name) for name in CLASSES[1:]),
        input_size=InputSize(min_dim=side, max_dim=side),
        config=config,
    )


def draw_scene(height: int, width: int) -> np.ndarray:
    """Draws discs of many sizes on noise, with a fixed seed: `[height, width, 3]` uint8."""
    rng = np.random.default_rng(0)
    image = rng.integers(60, 100, (height, width, 3), dtype=np.uint8)
    for _ in range(round(DISCS_PER_MEGAPIXEL * height * width / 1e6)):
        center = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(image, center, int(rng.integers(8, 120)), rng.integers(100, 255, 3).tolist(), cv2.FILLED)
    return image


def peak_gb() -> float:
    """Returns the peak resident memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
