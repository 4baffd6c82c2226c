"""Measures how seconds and memory grow with the input, the objects, the batch, the classes, the image and processes.

    python -m benchmarks.growth --plot runs/growth.png
    python -m benchmarks.growth --curve classes-infer --side 256

Each point is measured in a new process, so its peak memory does not include that of other points; a point of the curve
`processes` runs several processes at the same time. Weights are random. Detection runs on synthetic scenes with a score
threshold of 0, so that it finds as many objects as the model allows; training runs on noise. A detection is a whole
call of the predictor, from uint8 images to cropped masks; a training step is forward and backward pass and update of
all layers.

The exponent of a curve is the slope of its points on logarithmic axes: 1 is linear, less is better. Beside the slope
over all points is that of the last two, where the constant part of the work matters least.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from benchmarks import large_image, peers_work, speed, timing
from mrcnn import optional
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.input_size import InputSize
from mrcnn.model_folder.read import ModelBundle
from mrcnn.models.families.matterport import Matterport
from mrcnn.predict.predictor import Predictor

LEAST_GB = 1e-3  # smaller additions to the memory count as this: they are noise, and a logarithm needs a positive value
READY = "ready"


class Work(NamedTuple):
    """What one process does in a timed call.

    Attributes:
        side: height and width of the model input in pixels.
        objects: detections of each image, or objects of each training image.
        batch: number of images.
        classes: number of classes with the background.
        width: width of the image in pixels, its height is two thirds of that; None for a square of `side`.
        training: whether the call is a training step.
    """

    side: int = 512
    objects: int = 100
    batch: int = 1
    classes: int = 81
    width: int | None = None
    training: bool = False


class Curve(NamedTuple):
    """A number that varies, all else equal.

    Attributes:
        label: what varies, with its unit.
        values: its values, ascending.
        work: makes the work from the base work and a value.
        x: converts a value to the quantity in which the cost should be linear; for image sides, megapixels.
        processes: whether the value is the number of processes that do the work at the same time.
    """

    label: str
    values: tuple[int, ...]
    work: Callable[[Work, int], Work]
    x: Callable[[int], float] = float
    processes: bool = False


class Point(NamedTuple):
    """A measured point: its value, seconds of a call, and memory in GB in all and above that of the loaded model."""

    value: int
    seconds: float
    peak_gb: float
    added_gb: float


def _trained(field: str) -> Callable[[Work, int], Work]:
    return lambda base, value: base._replace(training=True, objects=speed.OBJECTS)._replace(**{field: value})


def _detected(field: str) -> Callable[[Work, int], Work]:
    return lambda base, value: base._replace(**{field: value})


def _megapixels(side: int) -> float:
    return side**2 / 1e6


def _megapixels_by_width(width: int) -> float:
    return width * (width * 2 // 3) / 1e6


CURVES = {
    "side-infer": Curve("side of the input, pixels", (256, 512, 1024, 2048), _detected("side"), _megapixels),
    "side-train": Curve("side of the input, pixels", (256, 512, 1024, 2048), _trained("side"), _megapixels),
    "objects-infer": Curve("detections of an image", (1, 10, 100, 200, 500), _detected("objects")),
    "objects-train": Curve("objects of a training image", (1, 10, 100, 200, 500), _trained("objects")),
    "batch-infer": Curve("images of a batch", (1, 2, 4, 8), _detected("batch")),
    "batch-train": Curve("images of a training batch", (1, 2, 4, 8), _trained("batch")),
    "classes-infer": Curve("classes", (2, 21, 81, 365, 1204), _detected("classes")),
    "classes-train": Curve("classes, training", (2, 21, 81, 365, 1204), _trained("classes")),
    "image": Curve("width of a 3:2 image, pixels", (750, 1500, 3000, 6000), _detected("width"), _megapixels_by_width),
    "processes": Curve("processes", (1, 2, 4), lambda base, value: base, processes=True),
}


def main() -> None:
    """Measures the chosen curves, prints their tables and draws them."""
    options = parse()
    if options.point:
        print(json.dumps(measure(Work(**json.loads(options.point)), options)))
        return
    base = Work(side=options.side)
    plot = optional.load("benchmarks.growth_plot", extra="plots", purpose="--plot") if options.plot else None
    found = {}
    for name in options.curve:
        found[name] = measure_curve(CURVES[name], base, options)
        print(table(name, CURVES[name], found[name]), flush=True)
        if options.out:
            write(found, options.out)
        if plot:
            plot.draw({name: (CURVES[name], points) for name, points in found.items()}, options.plot)


def write(found: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Writes the points of each curve to a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: [point._asdict() for point in found[name]] for name in found}, indent=1) + "\n")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curve", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--side", type=int, default=512, help="of the model input, where the curve does not vary it")
    parser.add_argument("--channels", type=int, default=256, help="of the pyramid and the RPN")
    parser.add_argument("--most", type=int, default=10**9, help="leave out values of a curve above this")
    parser.add_argument("--runs", type=int, default=3, help="timed calls of each process; their median counts")
    parser.add_argument("--clock", choices=peers_work.CLOCKS, default="wall", help="wall or processor time")
    parser.add_argument("--out", type=Path, help="write the points to this JSON file, too")
    parser.add_argument("--plot", type=Path, help="draw the curves to this PNG file, too")
    parser.add_argument("--point", help=argparse.SUPPRESS)  # the work of one process as JSON
    return parser.parse_args(arguments)


def measure_curve(curve: Curve, base: Work, options: argparse.Namespace) -> list[Point]:
    """Measures the points of a curve, each in processes of its own."""
    points = []
    for value in curve.values:
        if value > options.most:
            continue
        command = [sys.executable, "-m", "benchmarks.growth", "--channels", str(options.channels)]
        command += ["--runs", str(options.runs), "--clock", options.clock]
        command += ["--point", json.dumps(curve.work(base, value)._asdict())]
        results = run_together(command, value if curve.processes else 1)
        points.append(joined(value, results))
    return points


def joined(value: int, results: Sequence[dict[str, float]]) -> Point:
    """Joins the results of processes that ran at the same time: the slowest one's seconds, the sum of memory."""
    peak = sum(result["peak_gb"] for result in results)
    start = sum(result["start_gb"] for result in results)
    return Point(value, max(result["seconds"] for result in results), peak, max(peak - start, LEAST_GB))


def run_together(command: Sequence[str], count: int) -> list[dict[str, float]]:
    """Starts processes, lets them measure at the same time when all are ready, and reads their results.

    Args:
        command: prints `ready`, waits for a line, and prints its result as JSON.
        count: number of processes.

    Raises:
        SystemExit: a process failed; the message is its last line of errors.
    """
    with tempfile.TemporaryFile("w+") as errors:
        started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
            for _ in range(count)
        ]
        ready = [process.stdout is not None and process.stdout.readline().strip() == READY for process in started]
        for process in started:
            if process.stdin and all(ready):  # all are released before the first is waited for
                process.stdin.write("\n")
                process.stdin.flush()
        outputs = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            errors.seek(0)
            raise SystemExit(f"failed: {(errors.read().strip().splitlines() or ['without a message'])[-1]}")
    return [json.loads(output.strip().splitlines()[-1]) for output in outputs]


def measure(work: Work, options: argparse.Namespace) -> dict[str, float]:
    """Times calls in this process after two calls that warm up.

    Prints `ready` before the timed calls and waits for a line of input.

    Returns:
        `seconds`, the median; `start_gb` and `peak_gb`, the peak memory before the first call and at the end.
    """
    keras.utils.set_random_seed(0)
    model = Matterport(num_classes=work.classes, settings=settings(work, options.channels).model_dump())
    call = training_call(model, work) if work.training else detection_call(model, work)
    start_gb = timing.peak_gb()
    for _ in range(2):
        call()
    print(READY, flush=True)
    sys.stdin.readline()
    taken = timing.seconds(call, options.runs, clock=peers_work.CLOCKS[options.clock])
    return {"seconds": statistics.median(taken), "start_gb": start_gb, "peak_gb": timing.peak_gb()}


def settings(work: Work, channels: int) -> MatterportConfig:
    """Returns the model's settings: as many detections, or slots of training objects, as the work needs."""
    return MatterportConfig(
        backbone="resnet50",
        fpn_channels=channels,
        rpn_channels=channels,
        box_fc_channels=4 * channels,
        score_threshold=0.0,
        detections_per_image=work.objects,
        max_gt_instances=max(100, work.objects),
    )


def detection_call(model: Matterport, work: Work) -> Callable[[], Any]:
    """Makes a call of the predictor on the work's images."""
    bundle = ModelBundle(
        model=model,
        class_names=tuple(map(str, range(work.classes))),
        class_metas=(),
        input_size=InputSize(min_dim=work.side, max_dim=work.side, shape="rectangle"),
        config=model.settings,
    )
    predictor = Predictor(bundle)
    height, width = (work.side, work.side) if work.width is None else (work.width * 2 // 3, work.width)
    images = [large_image.draw_scene(height, width)] * work.batch
    return lambda: predictor.predict_compact(images, batch_size=work.batch)


def training_call(model: Matterport, work: Work) -> Callable[[], Any]:
    """Makes a call of a training step of all layers."""
    case = speed.Case("resnet50", (work.side, work.side), work.batch)
    batch = speed.noise_batch(case, model.settings, objects=work.objects)
    batch["gt_class_ids"] = tf.minimum(batch["gt_class_ids"], work.classes - 1)
    step = tf.function(speed.training_step(model, batch, keras.optimizers.SGD(1e-6, momentum=0.9)))
    return lambda: step().numpy()


def exponent(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Fits the slope of log y over log x by least squares; NaN for fewer than two points.

    Args:
        xs: positive, not all equal.
        ys: positive.
    """
    if len(xs) < 2:
        return math.nan
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def exponents(curve: Curve, points: Sequence[Point], field: str) -> tuple[float, float]:
    """Computes a curve's exponent over all points, and over the last two, of a field of `Point`."""
    xs = [curve.x(point.value) for point in points]
    ys = [getattr(point, field) for point in points]
    return exponent(xs, ys), exponent(xs[-2:], ys[-2:])


def table(name: str, curve: Curve, points: Sequence[Point]) -> str:
    """Formats a curve's points and exponents."""
    lines = [f"{name}: {curve.label}", f"{'value':>8}{'seconds':>10}{'peak GB':>9}{'added GB':>10}"]
    lines += [f"{point.value:>8}{point.seconds:>10.3f}{point.peak_gb:>9.2f}{point.added_gb:>10.3f}" for point in points]
    time_all, time_last = exponents(curve, points, "seconds")
    memory_all, memory_last = exponents(curve, points, "added_gb")
    lines.append(f"exponent of seconds {time_all:.2f}, of the last two points {time_last:.2f}")
    lines.append(f"exponent of added memory {memory_all:.2f}, of the last two points {memory_last:.2f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
