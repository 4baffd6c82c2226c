"""Cases and settings of `benchmarks.peers`, for the programs of both models; needs only the standard library."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import timing

CLASSES = 81
OBJECTS = 8  # of each training image
WARM_UP = 2  # default of the calls before the timed ones: the first traces graphs and prepares kernels
PRE_NMS = {False: 1000, True: 2000}  # proposals of each level before NMS, by whether the model trains
POST_NMS = {False: 1000, True: 2000}  # proposals of an image after NMS
RPN_DELTA_STD = (0.1, 0.1, 0.2, 0.2)  # of our side; torchvision's RPN has kernels so much smaller
BOX_NMS_IOU = 0.5
POSITIVE_FRACTION = 0.25  # the largest share of objects among the regions of a training image
POSITIVE_IOU = 0.1  # so low that objects fill their share of the regions on both sides, as they do in a trained model
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
LEARNING_RATE = 1e-6  # so low that the weights, and with them the work, stay as they are
PRECISIONS = ("float32", "bf16")
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
WEIGHTS, BATCH = "weights.npz", "batch.npz"
MATTERPORT = "matterport"


class Case(NamedTuple):
    """One measured piece of work.

    Attributes:
        size: height and width of the images in pixels.
        min_dim: length to which the short side is scaled.
        max_dim: upper limit of the long side in pixels, as a pair: for our model, for torchvision's.
        score_threshold: detections below are dropped.
        batch: number of images.
        training: whether a training step is measured instead of detection.
        regions: regions of each image that train the heads.
        detections: the most detections of an image.
        family: of our model. `matterport` has an architecture that torchvision's side is built after; the others are
            torchvision's own models, with the weights of the same state dict on both sides.
    """

    size: tuple[int, int]
    min_dim: int = 800
    max_dim: tuple[int, int] = (1344, 1333)
    score_threshold: float = 0.05
    batch: int = 1
    training: bool = False
    regions: int = 512
    detections: int = 100
    family: str = MATTERPORT


CASES = {
    "infer-480x640-0.05": Case((480, 640)),
    "infer-480x640-0": Case((480, 640), score_threshold=0.0),
    "infer-800x1333-0.05": Case((800, 1333)),
    "infer-800x1333-0": Case((800, 1333), score_threshold=0.0),
    "train-512x512x2": Case((512, 512), 512, (512, 512), batch=2, training=True),
    "infer-480x640-torchvision": Case((480, 640), max_dim=(1333, 1333), family="torchvision"),
    "infer-480x640-torchvision_v2": Case((480, 640), max_dim=(1333, 1333), family="torchvision_v2"),
}
TINY = {  # for trying the command; not among the cases that run by default
    "tiny-infer": Case((96, 128), 128, (192, 192), score_threshold=0.0, detections=5),
    "tiny-train": Case((128, 128), 128, (128, 128), batch=2, training=True, regions=16),
    "tiny-infer-torchvision": Case((96, 128), 128, (192, 192), detections=5, family="torchvision"),
}
ALL = {**CASES, **TINY}


def image_file(folder: Path, case: Case) -> Path:
    """Returns the path of a case's image for detection."""
    height, width = case.size
    return folder / f"{height}x{width}.npz"


def weight_file(folder: Path, case: Case) -> Path:
    """Returns the path of the weights of a case's model; those of torchvision's own models are a state dict."""
    return folder / (WEIGHTS if case.family == MATTERPORT else f"{case.family}.npz")


def batch_file(folder: Path, case: Case) -> Path:
    """Returns the path of a case's training batch."""
    return folder / f"{case.size[0]}-{BATCH}"


def side_parser(description: str) -> argparse.ArgumentParser:
    """Builds the options that the programs of both sides have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="folder with weights and images, written by `--prepare` of our side")
    parser.add_argument("--case", choices=ALL)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--runs", type=int, default=3, help="timed calls; their median counts")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="calls before the timed ones, at least 1")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="wall time, or processor time of all threads")
    return parser


def measure(call: Callable[[], Any], options: argparse.Namespace) -> tuple[dict[str, float], Any]:
    """Times a call after warming up.

    Args:
        call: the measured work.
        options: of `side_parser`; `warm_up`, `runs` and `clock` are read.

    Returns:
        `seconds`, the median, and `peak_gb`, the peak memory of this process; and the value of the last warm-up call.
    """
    for _ in range(options.warm_up):
        value = call()
    taken = timing.seconds(call, options.runs, clock=CLOCKS[options.clock])
    return {"seconds": statistics.median(taken), "peak_gb": timing.peak_gb()}, value
