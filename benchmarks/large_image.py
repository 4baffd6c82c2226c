"""Seconds and peak memory of the mode `sliding_window` on one large image, from its file to the written project.

The measurement runs in a process of its own, so that the peak memory is its own. The image is drawn, the weights are
random and the score limit is 0: every window gives as many detections as the model has room for, of any size, which is
more than a trained model finds.

    python -m benchmarks.large_image                                 # 6000 x 4000 pixels, windows of 1024
    python -m benchmarks.large_image --window 512 --overlap 128
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

from mrcnn.config.load import load_inference_config
from mrcnn.config.model import ModelConfig
from mrcnn.config.train import InputSize
from mrcnn.events import JsonLog
from mrcnn.infer import run, sources, windows
from mrcnn.infer.load import ModelBundle
from mrcnn.infer.predictor import Predictor
from mrcnn.models import build
from mrcnn.project.meta import ClassMeta

CLASSES = ("bg", "cell", "grain")
DISCS_PER_MEGAPIXEL = 40


def main() -> None:
    """Measures in a process of its own and prints one line."""
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
        f"{got['width']} x {got['height']} pixels, {got['windows']} windows of {options.window}: "
        f"{got['seconds']:.1f} s, {got['objects']} objects, peak {got['peak_gb']:.2f} GB "
        f"({got['start_gb']:.2f} GB with the model loaded)"
    )


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(6000, 4000), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--window", type=int, default=1024, help="side of a window")
    parser.add_argument("--input-side", type=int, default=512, help="side of the model's input")
    parser.add_argument("--overlap", type=int, default=256, help="pixels that neighbours share at least")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--score-threshold", type=float, default=0.0)
    parser.add_argument("--channels", type=int, default=64, help="of the model's pyramid")
    parser.add_argument("--here", action="store_true", help="measure in this process and print JSON")
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the mode once in this process.

    Returns:
        Seconds of the run without loading the model, peak memory in GB after it and before it, the number of windows
        and of objects written.
    """
    keras.utils.set_random_seed(0)
    predictor = Predictor(make_bundle(options.input_side, options.channels, options.score_threshold))
    predictor.predict([np.zeros((64, 64, 3), np.uint8)])
    start_gb, (width, height) = peak_gb(), options.size
    mode = {
        "name": "sliding_window",
        "window": {"width": options.window, "height": options.window},
        "min_overlap": {"x": options.overlap, "y": options.overlap},
    }
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        cv2.imwrite(str(photos / "large.png"), draw_scene(height, width))
        start = time.perf_counter()
        summary = run.apply(
            predictor,
            sources.open_images(photos),
            Path(folder) / "out",
            config=load_inference_config({"model": {}, "mode": mode}),
            log=JsonLog(io.StringIO()),
            options=run.Options(batch_size=options.batch_size),
        )
        seconds = time.perf_counter() - start
    sides, overlaps = (options.window, options.window), (options.overlap, options.overlap)
    return {
        "width": width,
        "height": height,
        "windows": len(list(windows.cover((height, width), sides, overlaps))),
        "objects": sum(map(len, summary.scores.values())),
        "seconds": seconds,
        "start_gb": start_gb,
        "peak_gb": peak_gb(),
    }


def make_bundle(side: int, channels: int, score_threshold: float) -> ModelBundle:
    """Makes a small model with random weights."""
    config = ModelConfig(
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
    """Draws discs of many sizes on noise, `[height, width, 3]` uint8, the same each time."""
    rng = np.random.default_rng(0)
    image = rng.integers(60, 100, (height, width, 3), dtype=np.uint8)
    for _ in range(round(DISCS_PER_MEGAPIXEL * height * width / 1e6)):
        center = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(image, center, int(rng.integers(8, 120)), rng.integers(100, 255, 3).tolist(), cv2.FILLED)
    return image


def peak_gb() -> float:
    """Gives the most memory this process has held so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
