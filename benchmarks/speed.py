"""Measures seconds, images per second and peak memory of inference and of training steps.

Each case runs in a separate process, so that its peak memory is its own. The same run measures the rate of float32
matrix products; a case's share of that rate is comparable between machines. ResNet-101 uses Matterport's conventions,
like the code it is compared with. ResNet-50 uses the better ones, which read four times as many samples per region and
score every class. Weights are random and the score threshold is 0, so inference fills all its detections and the mask
head does its full work.

    python -m benchmarks.speed                         # every case
    python -m benchmarks.speed --only train            # those whose name contains the word
    python -m benchmarks.speed --case infer-r101-256   # one case in this process; with --xla compiled by XLA
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from benchmarks import timing
from benchmarks.cost import stage_gmacs
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.mask_rcnn import HEAD_LEVELS
from mrcnn.models.trainable import select_trainable
from mrcnn.structures import Batch
from mrcnn.train import devices


class Case(NamedTuple):
    """One measurement: backbone, size (H, W) of the input, batch size and trained layers."""

    backbone: str
    image_size: tuple[int, int]
    batch: int = 1
    train_layers: str | None = None  # None: inference


CASES = {
    "infer-r101-1024": Case("resnet101", (1024, 1024)),
    "infer-r50-800x1344": Case("resnet50", (832, 1344)),  # 800 padded to a multiple of 64
    "infer-r101-256": Case("resnet101", (256, 256)),
    "train-r101-256-heads": Case("resnet101", (256, 256), train_layers="heads"),
    "train-r101-256-all": Case("resnet101", (256, 256), train_layers="all"),
    "train-r50-512x2-heads": Case("resnet50", (512, 512), 2, "heads"),
    "train-r50-512x2-all": Case("resnet50", (512, 512), 2, "all"),
    "train-r101-1024-heads": Case("resnet101", (1024, 1024), train_layers="heads"),
    "train-r101-1024-all": Case("resnet101", (1024, 1024), train_layers="all"),
}
PRECISIONS = ("float32", "mixed_bfloat16")
HEADER = (
    f"{'case':<24}{'precision':<16}{'seconds':>9}{'images/s':>10}{'peak GB':>9}{'GFLOP/s':>9}{'of matmul':>11}  stages"
)
CLASSES = 81
OBJECTS = 8


def main() -> None:
    """Runs one case in this process, or every chosen case in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=CASES, help="run this one in this process and print JSON")
    parser.add_argument("--precision", choices=PRECISIONS, help="only this precision")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--runs", type=int, default=5, help="timed runs; the median counts")
    parser.add_argument("--xla", action="store_true", help="with --case: compile with XLA; time the whole work only")
    options = parser.parse_args()
    if options.case:
        precision = options.precision or "float32"
        print(json.dumps(measure(CASES[options.case], precision=precision, runs=options.runs, xla=options.xla)))
        return
    print(HEADER)
    for name in CASES:
        if options.only not in name:
            continue
        for precision in [options.precision] if options.precision else _sensible_precisions():
            print(_row(name, precision, options.runs), flush=True)


def _sensible_precisions() -> tuple[str, ...]:
    """Lists the precisions, without bfloat16 where a CPU would emulate it.

    Emulated, a single run takes minutes.
    """
    emulated = devices.lacks_bfloat16(devices.use(["GPU:0" if tf.config.list_physical_devices("GPU") else "CPU:0"]))
    return PRECISIONS[:1] if emulated else PRECISIONS


def measure(case: Case, *, precision: str, runs: int, xla: bool = False) -> dict[str, Any]:
    """Times one case in this process.

    Args:
        case: the case to time.
        precision: Keras dtype policy.
        runs: number of timed runs, after one that traces the graph.
        xla: whether XLA compiles the work.

    Returns:
        Seconds, seconds of the first run, per-stage seconds, peak memory in GB, GFLOP/s and its share of the float32
        matrix product rate.
    """
    keras.utils.set_random_seed(0)
    rate_before = matmul_gflops()
    keras.config.set_dtype_policy(precision)
    compatibility = "matterport" if case.backbone == "resnet101" else None
    settings = MatterportConfig(compatibility=compatibility, backbone=case.backbone, score_threshold=0.0).model_dump()
    model = Matterport(num_classes=CLASSES, settings=settings)
    if xla:
        model.use_fixed_slots(True)
    batch = noise_batch(case, model.settings)
    steps = _training_steps(model, case, batch) if case.train_layers else _inference_steps(model, batch)
    seconds, stages, first = _increments(dict([steps.popitem()]) if xla else steps, runs, xla=xla)
    keras.config.set_dtype_policy("float32")
    rate = max(rate_before, matmul_gflops())
    gflops = _gflops(model, case, batch) / seconds
    return {
        "seconds": seconds,
        "first_seconds": first,
        "images_per_second": case.batch / seconds,
        "stages": stages,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "gflops": gflops,
        "matmul_gflops": rate,
        "share": gflops / rate,
    }


def matmul_gflops(side: int = 3072) -> float:
    """Measures the rate of the fastest of five float32 matrix products, in GFLOP/s."""
    matrix = tf.random.normal([side, side])
    product = tf.function(lambda a: tf.reduce_sum(a @ a))
    return 2 * side**3 / min(_seconds(lambda: product(matrix), 5)) / 1e9


def _row(name: str, precision: str, runs: int) -> str:
    command = [sys.executable, "-m", "benchmarks.speed", "--case", name, "--precision", precision, "--runs", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{name:<24}{precision:<16} failed: {done.stderr.strip().splitlines()[-1]}"
    got = json.loads(done.stdout.strip().splitlines()[-1])
    stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in got["stages"].items())
    return (
        f"{name:<24}{precision:<16}{got['seconds']:>9.2f}{got['images_per_second']:>10.2f}{got['peak_gb']:>9.2f}"
        f"{got['gflops']:>9.0f}{got['share']:>11.2f}  {stages}"
    )


def _inference_steps(model: Matterport, batch: dict[str, Any]) -> dict[str, Callable]:
    size = tuple(batch["images"].shape[1:3])
    return {
        "backbone": lambda: model.backbone(batch["images"]),
        "+fpn, rpn, proposals": lambda: _proposals(model, batch, size),
        "+box head, detections": lambda: _boxes(model, batch, size),
        "+mask head": lambda: model({"images": batch["images"], "windows": batch["windows"]}),
    }


def _boxes(model: Matterport, batch: dict[str, Any], size: tuple[int, int]):
    pyramid, proposals = _proposals(model, batch, size)
    return model.box.detect(pyramid[:HEAD_LEVELS], proposals, batch["windows"], image_size=size, choices=model.choices)


def _proposals(model: Matterport, batch: dict[str, Any], size: tuple[int, int]):
    pyramid = model.neck(model.backbone(batch["images"]))
    return pyramid, model.rpn(pyramid, image_size=size, count=model.settings.post_nms_topk)[1]


def _training_steps(model: Matterport, case: Case, batch: dict[str, Any]) -> dict[str, Callable]:
    select_trainable(model, case.train_layers or "all")
    optimizer = keras.optimizers.SGD(1e-4, momentum=0.9, global_clipnorm=5.0)
    return {
        "forward": lambda: model.losses_of(model(batch, training=True))[0],
        "+backward": lambda: [tf.reduce_sum(g) for g in map(tf.convert_to_tensor, gradients(model, batch)[1])],
        "+update": training_step(model, batch, optimizer),
    }


def training_step(
    model: Matterport, batch: dict[str, Any], optimizer: keras.optimizers.Optimizer
) -> Callable[[], tf.Tensor]:
    """Makes a function of one training step: forward and backward pass and update.

    Args:
        model: the model, of whose variables the trainable ones are updated.
        batch: the fields of `Batch` by name.
        optimizer: an optimizer that is not built yet.

    Returns:
        A function without arguments that returns the loss; it is not traced.
    """
    optimizer.build(model.trainable_variables)

    def step() -> tf.Tensor:
        loss, found = gradients(model, batch)
        optimizer.apply(found, model.trainable_variables)
        return loss

    return step


def gradients(model: Matterport, batch: dict[str, Any]) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Computes the loss and the gradients of the trainable variables, in their order."""
    with tf.GradientTape() as tape:
        loss, _ = model.losses_of(model(batch, training=True))
    return loss, tape.gradient(loss, model.trainable_variables)


def _increments(steps: dict[str, Callable], runs: int, *, xla: bool) -> tuple[float, dict[str, float], float]:
    """Times growing prefixes of the work; a stage's time is what it adds.

    Returns:
        Median seconds of the whole work, and of each stage by name; seconds of the first run of the whole work.
    """
    totals, first = {}, 0.0
    for name, step in steps.items():
        traced = tf.function(step, jit_compile=xla or None)
        [first] = _seconds(traced, 1)
        totals[name] = statistics.median(_seconds(traced, runs))
    values = [0.0, *totals.values()]
    added = {name: after - before for name, before, after in zip(totals, values, values[1:], strict=False)}
    return values[-1], added, first


def _seconds(function: Callable, runs: int) -> list[float]:
    def call() -> None:
        tf.nest.map_structure(lambda value: value.numpy() if hasattr(value, "numpy") else value, function())

    return timing.seconds(call, runs)


def noise_batch(case: Case, settings: MatterportConfig, *, objects: int = OBJECTS) -> dict[str, Any]:
    """Builds a seeded batch of noise with square objects.

    Args:
        case: size and number of the images.
        settings: slots of the objects and side of their masks.
        objects: number of objects in each image, at most the slots.

    Returns:
        The fields of `Batch` by name, as TensorFlow constants; the first `objects` slots are used.
    """
    rng = np.random.default_rng(0)
    height, width = case.image_size
    slots, side = settings.max_gt_instances, settings.gt_mask_size
    boxes = np.zeros((case.batch, slots, 4), "float32")
    sides = rng.uniform(32, min(height, width) // 2, (case.batch, objects, 1))
    corner = rng.uniform(0, 1, (case.batch, objects, 2)) * (np.array([height, width]) - sides)
    boxes[:, :objects] = np.concatenate([corner, corner + sides], axis=-1)
    valid = np.broadcast_to(np.arange(slots) < objects, (case.batch, slots))
    fields = Batch(
        images=rng.uniform(0, 255, (case.batch, height, width, 3)).astype("float32"),
        windows=np.tile(np.array([[0, 0, height, width]], "float32"), (case.batch, 1)),
        gt_boxes=boxes,
        gt_class_ids=(valid * rng.integers(1, CLASSES, valid.shape)).astype("int32"),
        gt_masks=np.full((case.batch, slots, side, side), 255, "uint8"),
        gt_valid=valid,
        gt_ignore=np.zeros_like(valid),
        neutral=np.zeros((case.batch, height, width), bool),
        image_ids=np.arange(case.batch, dtype="int32"),
        seeds=np.arange(case.batch, dtype="int32"),
    )
    return {name: tf.constant(value) for name, value in fields._asdict().items()}


def _gflops(model: Matterport, case: Case, batch: dict[str, Any]) -> float:
    """Counts the work of a run's dense and convolution layers, in GFLOP.

    A backward pass costs as much as one forward pass for the gradients of the inputs and one for those of the trained
    weights; a frozen backbone has none.
    """
    settings = model.settings
    if case.train_layers is None:
        gmacs = stage_gmacs(
            model,
            image_size=case.image_size,
            box_regions=settings.post_nms_topk,
            mask_regions=settings.detections_per_image,
        )
        return 2 * case.batch * sum(gmacs.values())
    outputs = tf.function(lambda: model(batch, training=True))()
    mask_regions = outputs.heads[0].mask_logits.shape[0] / case.batch
    gmacs = stage_gmacs(model, image_size=case.image_size, box_regions=settings.roi_samples, mask_regions=mask_regions)
    factors = dict.fromkeys(gmacs, 3.0)
    if case.train_layers == "heads":
        factors["backbone"] = 1.0
    return 2 * case.batch * sum(factors[stage] * value for stage, value in gmacs.items())


if __name__ == "__main__":
    main()
