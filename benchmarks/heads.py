"""Measures what each head costs in time and memory, beside the plain model.

Each head is measured in a process of its own, in turn with the others and again in each round, so that all of them meet
the same other work. The model is Matterport's with ResNet-50 and random weights for COCO's 80 classes. A detection has
an image of noise and a score threshold of 0, so 100 objects are found; a training step has two images of noise with 8
objects each, and updates all layers by SGD.

    python -m benchmarks.heads --rounds 5
    python -m benchmarks.heads --side 256 --head semantic cascade

A ratio is the median of the ratios within the rounds; seconds and memory are medians of the rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import speed, timing
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.keypoints import PERSON_SIGMAS
from mrcnn.models.families.matterport import Matterport
from mrcnn.structures import SEMANTIC

PLAIN = "plain"
POINTS = 10  # labelled points of an object
STUFF = tuple(f"stuff {number}" for number in range(1, 54))  # as many as COCO has
HEADS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    **{
        name: {"mask_head": name, "class_agnostic_masks": True, "mask_train_boxes": "ground_truth"}
        for name in ("hourglass20", "hourglass52")
    },
    "pointrend": {"mask_head": "pointrend"},
    "points": {"mask_supervision": "points", "mask_points": POINTS},
    "cascade": {"box_head": "cascade"},
    "keypoints": {"extra_heads": ["keypoints"], "keypoints": {"names": list(PERSON_SIGMAS)}},
    "semantic": {"extra_heads": ["semantic"], "stuff_classes": STUFF},
}
DETECTION, TRAINING = "detection", "training step"
WORKS = {DETECTION: 1, TRAINING: 2}  # with the images of each

Taken = dict[str, float]  # `seconds` and `peak_gb` of a process


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures one head in this process, or every chosen one in processes of their own, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", nargs="+", choices=HEADS, default=list(HEADS), help="beside the plain model")
    parser.add_argument("--side", type=int, default=512, help="of the model input, pixels")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each head")
    parser.add_argument("--runs", type=int, default=3, help="timed calls of a process; their median counts")
    parser.add_argument("--work", choices=WORKS, help=argparse.SUPPRESS)  # of the one head of this process
    options = parser.parse_args(arguments)
    if options.work:
        [head] = options.head
        print(json.dumps(measure(head, options.work, side=options.side, runs=options.runs)))
        return
    heads = [PLAIN, *(name for name in options.head if name != PLAIN)]
    for work in WORKS:
        rounds = [{head: _apart(head, work, options) for head in heads} for _ in range(options.rounds)]
        print(table(work, rounds), end="\n\n", flush=True)


def table(work: str, rounds: Sequence[Mapping[str, Taken]]) -> str:
    """Writes a Markdown table of a work: a row for each head.

    Args:
        work: key of `WORKS`.
        rounds: what each head took in each round; all have the plain model.
    """
    lines = [f"| {work} | seconds | of plain | peak GB | of plain |", "| --- | --- | --- | --- | --- |"]
    for head in rounds[0]:
        cells = [head]
        for field in ("seconds", "peak_gb"):
            values = [each[head][field] for each in rounds]
            ratios = [each[head][field] / each[PLAIN][field] for each in rounds]
            cells += [f"{statistics.median(values):.2f}", f"{statistics.median(ratios):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(head: str, work: str, *, side: int, runs: int) -> Taken:
    """Times calls in this process, after two that warm up.

    Args:
        head: key of `HEADS`.
        work: key of `WORKS`.
        side: of the model input, pixels.
        runs: number of timed calls.

    Returns:
        `seconds`, the median, and `peak_gb`, the peak memory of the process.
    """
    keras.utils.set_random_seed(0)
    settings = MatterportConfig(backbone="resnet50", score_threshold=0.0, **HEADS[head])
    model = Matterport(num_classes=speed.CLASSES, settings=settings.model_dump(mode="json"))
    call = _call(model, batch_of(settings, side=side, images=WORKS[work]), training=work == TRAINING)
    timing.seconds(call, 2)
    return {"seconds": statistics.median(timing.seconds(call, runs)), "peak_gb": timing.peak_gb()}


def batch_of(settings: MatterportConfig, *, side: int, images: int) -> dict[str, tf.Tensor]:
    """Makes a batch of noise with the fields and the map that a model's heads learn from.

    Args:
        settings: of the model.
        side: of the images, pixels.
        images: number of images.
    """
    batch = speed.noise_batch(speed.Case("resnet50", (side, side), images), settings)
    random, slots = np.random.default_rng(1), (images, settings.max_gt_instances)
    boxes = batch["gt_boxes"].numpy()

    def scattered(count: int, labels: Sequence[int]) -> np.ndarray:
        shares = random.uniform(0, 1, (*slots, count, 2))
        places = boxes[..., None, 1::-1] + shares * (boxes[..., None, 3:1:-1] - boxes[..., None, 1::-1])  # x, y
        return np.concatenate([places, random.choice(labels, (*slots, count, 1))], axis=-1).astype("float32")

    fields = {
        "gt_mask_points": scattered(POINTS, (0, 1)),
        "gt_keypoints": scattered(len(PERSON_SIGMAS), (1, 2)),
        f"gt_{SEMANTIC}": random.integers(0, len(STUFF) + 1, (images, side, side)).astype("uint8"),
    }
    return {**batch, **{name: tf.constant(values) for name, values in fields.items()}}


def _call(model: Matterport, batch: dict[str, tf.Tensor], *, training: bool) -> Callable[[], Any]:
    if training:
        optimizer = keras.optimizers.SGD(1e-4, momentum=0.9, global_clipnorm=5.0)
        step = tf.function(speed.training_step(model, batch, optimizer))
        return lambda: step().numpy()
    inputs = {name: batch[name] for name in ("images", "windows")}
    detect = tf.function(lambda: model(inputs))
    return lambda: detect().masks.numpy()


def _apart(head: str, work: str, options: argparse.Namespace) -> Taken:
    """Measures a head in a new process.

    Raises:
        SystemExit: the process failed; the message has the last line of its errors.
    """
    command = [sys.executable, "-m", "benchmarks.heads", "--head", head, "--work", work]
    command += ["--side", str(options.side), "--runs", str(options.runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{head}, {work}: failed: {(done.stderr.strip().splitlines() or ['without a message'])[-1]}")
    found: Taken = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
