"""Trains this project's model and torchvision's on the same images and compares their AP.

    python -m benchmarks.accuracy PROJECT --config benchmarks/accuracy.json --weights resnet50.h5 --out runs/accuracy

Both sides start from the same ImageNet file and train on the same images in the same order: the images that our input
pipeline augments for a seed are written to disk, step by step, for torchvision's side to read. One evaluator scores the
detections of both. The sides run in turn, seed by seed. torchvision's side needs a separate environment; `make
bench-accuracy` creates it. `--only ours` leaves torchvision out.

Each library keeps its own losses, sampling, initial values, anchors, RoIAlign, NMS (torchvision's IoU threshold is 0.5)
and weight decay; these differences are intended.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.mean_iou import mean_iou
from mrcnn.config.inference import FullImageMode
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.data import pipeline
from mrcnn.data.read_sample import read_sample
from mrcnn.data.skipped import Skipped
from mrcnn.data.sources import supervisely
from mrcnn.data.sources.samples import load_samples
from mrcnn.data.sources.source import DataPaths, Samples, Settings
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.analysis.seen import Collector
from mrcnn.evaluate.coco import CocoEvaluator
from mrcnn.events import EventLog, JsonLog
from mrcnn.structures import Detections
from mrcnn.train.run import train

TRAINED_STAGES = {
    "heads": 0,
    "5+": 1,
    "4+": 2,
    "3+": 3,
    "all": 5,
}  # torchvision's number of trained stages, from the last
SCRIPT = Path(__file__).with_name("accuracy_torchvision.py")
SIDES = ("ours", "torchvision")
METRICS = ("box_ap", "box_ap50", "box_ap75", "mask_ap", "mask_ap50", "mask_ap75", "box_iou", "mask_iou")
SCORE_THRESHOLD = 0.05  # torchvision's default and that of `mrcnn evaluate`
NO_PARTS = ("loss", "l2_loss")  # the total and the L2 term in a step's logs, which are not recorded
SHOWN_LOSSES = 5  # rows of the table of losses


class Losses(keras.callbacks.Callback):
    """Records each step's losses and the seconds of all steps together.

    Keras reports losses as means since the start of the epoch; the callback computes each step's own value.

    Attributes:
        steps: the losses of each step by name.
        seconds: total time of the steps, without what runs between them.
    """

    def __init__(self):
        """Starts without steps."""
        super().__init__()
        self.steps: list[dict[str, float]] = []
        self.seconds = 0.0
        self._sums: dict[str, float] = {}
        self._start = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Resets the sums of the last epoch."""
        self._sums = {}

    def on_train_batch_begin(self, batch, logs=None):
        """Starts the clock."""
        self._start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        """Computes the step's losses from Keras' means before and after it."""
        self.seconds += time.monotonic() - self._start
        sums = {name: float(logs[name]) * (batch + 1) for name in logs if name not in NO_PARTS}
        self.steps.append({name: value - self._sums.get(name, 0.0) for name, value in sums.items()})
        self._sums = sums


def run_ours(config: TrainConfig, project: Path, folder: Path, *, log: EventLog) -> dict[str, Any]:
    """Trains and evaluates our model; keeps its folder.

    Returns:
        `metrics` of the model after the last step, `losses` by step, `seconds` of all steps.
    """
    losses = Losses()
    train(config, project_dir=project, output_dir=folder / "model", log=log, callbacks=[losses])
    seen = Collector()
    prepared = scoring.prepare(
        folder / "model" / "last",
        project,
        tag=config.dataset_tags.val,
        names={},
        loading={"score_threshold": SCORE_THRESHOLD, "precision": config.precision, "tf32": config.tf32},
        log=log,
    )
    found = scoring.evaluate_prepared(prepared, mode=FullImageMode(), batch_size=1, log=log, watch=seen.add)
    found |= mean_iou(seen.images)
    return {"metrics": {name: found[name] for name in METRICS}, "losses": losses.steps, "seconds": losses.seconds}


def run_torchvision(config: TrainConfig, project: Path, folder: Path, *, python: str) -> dict[str, Any]:
    """Trains and evaluates torchvision's model on the images of our input pipeline.

    Returns:
        As from `run_ours`.
    """
    samples = read_samples(config, project)
    write_images(samples, config, folder)
    (folder / "settings.json").write_text(json.dumps(torchvision_settings(config, samples)))
    subprocess.run([python, str(SCRIPT), str(folder)], check=True)
    result = json.loads((folder / "result.json").read_text())
    shutil.rmtree(folder / "train")
    return {**result, "metrics": score(samples, folder)}


def read_samples(config: TrainConfig, project: Path) -> Samples:
    """Reads the project's training and validation samples, as training does."""
    special, tags = config.special_classes, config.dataset_tags
    settings = Settings(tags.train, tags.val, background=special.background, neutral=special.neutral)
    return load_samples(supervisely.open_source(DataPaths(project)), settings)


def write_images(samples: Samples, config: TrainConfig, folder: Path) -> None:
    """Writes the augmented images of all training steps and the unchanged validation images.

    Each step's file holds `count`, and for each of its images `image0` `[H, W, 3]` uint8, `boxes0` `[N, 4]` yxyx,
    `class_ids0` `[N]` and `masks0`, the packed bits of `[N, H, W]`.
    """
    for name in ("train", "val"):
        (folder / name).mkdir(parents=True)
    batch = config.batch_size.settled_train
    stream = pipeline.TrainImages(samples.train, config, batch_size=batch, skipped=Skipped(len(samples.train)))
    for step in range(config.epochs * stream.steps):
        fields: dict[str, Any] = {"count": batch}
        for slot in range(batch):
            drawn = stream.at(step * batch + slot)
            kept = np.flatnonzero(~drawn.instances.ignore)
            height, width = drawn.image.shape[:2]
            masks = np.zeros((len(kept), height, width), bool)
            for canvas, index in zip(masks, kept, strict=True):
                y1, x1, y2, x2 = drawn.instances.boxes[index].astype(int)
                canvas[y1:y2, x1:x2] = drawn.instances.masks[index]
            fields |= {
                f"image{slot}": drawn.image,
                f"boxes{slot}": drawn.instances.boxes[kept],
                f"class_ids{slot}": drawn.instances.class_ids[kept],
                f"masks{slot}": np.packbits(masks),
            }
        np.savez_compressed(folder / "train" / f"{step:06d}.npz", **fields)
    for index, sample in enumerate(samples.val):
        np.savez_compressed(folder / "val" / f"{index:04d}.npz", image=read_sample(sample)[0])


def torchvision_settings(config: TrainConfig, samples: Samples) -> dict[str, Any]:
    """Returns the settings that both sides share, ready for JSON."""
    model, schedule = config.model, config.lr_schedule
    return {
        "seed": config.seed,
        "classes": len(samples.class_title_to_idx),
        "side": config.input_size.max_dim,
        "imagenet_weights": config.imagenet_weights,
        "trained_stages": TRAINED_STAGES[config.train_layers],
        "image_mean": model.image_mean,
        "roi_samples": model.roi_samples,
        "pre_nms_topk": model.pre_nms_topk,
        "post_nms_topk_train": model.post_nms_topk_train,
        "post_nms_topk": model.post_nms_topk,
        "lr": config.lr,
        "clip": config.optimizer.global_clipnorm,
        "warmup_steps": schedule.warmup_steps,
        "final_fraction": schedule.final_fraction,
        "bfloat16": config.precision == "mixed_bfloat16",
    }


def with_clip(config: TrainConfig, norm: float | None) -> TrainConfig:
    """Sets the norm at which gradients are clipped; None keeps the config's."""
    if norm is None:
        return config
    return config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"global_clipnorm": norm})})


def score(samples: Samples, folder: Path) -> dict[str, float]:
    """Scores the detections that torchvision's side wrote."""
    evaluator, seen = CocoEvaluator(len(samples.class_title_to_idx)), Collector()
    for index, sample in enumerate(samples.val):
        truth = pipeline.ground_truth(sample)
        with np.load(folder / "detections" / f"{index:04d}.npz") as found:
            shape = (len(found["boxes"]), truth.height, truth.width)
            masks = np.unpackbits(found["masks"], count=int(np.prod(shape))).reshape(shape).astype(bool)
            kept = masks.any(axis=(1, 2))
            names = ("",) * int(kept.sum())
            detections = Detections(
                found["boxes"][kept], found["class_ids"][kept], names, found["scores"][kept], masks[kept]
            )
        evaluator.add(index, truth, detections)
        seen.add(index, truth, detections)
    measures = evaluator.result() | mean_iou(seen.images)
    return {name: float(value) for name, value in measures.items() if name in METRICS}


def table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Formats a table of AP and seconds: each seed, their mean and their range."""
    lines = [f"{'':<14}{'seed':>6}" + "".join(f"{name:>11}" for name in METRICS) + f"{'seconds':>10}"]
    for side, runs in results.items():
        for run in runs:
            cells = "".join(f"{run['metrics'].get(name, float('nan')):>11.3f}" for name in METRICS)
            lines.append(f"{side:<14}{run['seed']:>6}{cells}{run['seconds']:>10.0f}")
        if len(runs) > 1:
            for label, rule in (("mean", statistics.mean), ("range", lambda values: max(values) - min(values))):
                cells = "".join(f"{rule([run['metrics'][name] for run in runs]):>11.3f}" for name in METRICS)
                lines.append(f"{side:<14}{label:>6}{cells}{rule([run['seconds'] for run in runs]):>10.0f}")
    return "\n".join(lines)


def loss_table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Formats the losses of the first seed, as means over equal parts of the steps.

    The sides' values cannot be compared directly, since each has its own losses.
    """
    lines = []
    for side, runs in results.items():
        steps = runs[0]["losses"]
        lines.append(f"{side}: losses, means over steps")
        for part in np.array_split(np.arange(len(steps)), min(SHOWN_LOSSES, len(steps))):
            means = {name: statistics.mean(steps[index][name] for index in part) for name in steps[0]}
            cells = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
            lines.append(f"  {part[0] + 1:>5} to {part[-1] + 1:<5} {cells}")
    return "\n".join(lines)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("project", type=Path, help="a Supervisely project with training and validation tags")
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("accuracy.json"))
    parser.add_argument("--weights", help="an .h5 file of keras.applications' ResNet-50")
    parser.add_argument("--epochs", type=int, help="instead of the config's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--out", type=Path, required=True, help="new or empty folder")
    parser.add_argument("--only", choices=SIDES)
    parser.add_argument(
        "--torchvision-clip", type=float, help="clip torchvision's gradients at this norm; default: as in the config"
    )
    parser.add_argument("--torch-python", default=".venv-torch/bin/python", help="Python with torchvision and h5py")
    options = parser.parse_args()
    config = load_train_config(options.config, warn=print)
    config = config.model_copy(
        update={
            "imagenet_weights": options.weights or config.imagenet_weights,
            "epochs": options.epochs or config.epochs,
        }
    )
    results: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES if options.only in (None, side)}
    for seed in options.seeds:
        seeded = config.model_copy(update={"seed": seed})
        for side, runs in results.items():
            folder = options.out / f"{side}-{seed}"
            folder.mkdir(parents=True)
            if side == "ours":
                with (folder / "log.txt").open("w") as stream:
                    run = run_ours(seeded, options.project, folder, log=JsonLog(stream))
            else:
                theirs = with_clip(seeded, options.torchvision_clip)
                run = run_torchvision(theirs, options.project, folder, python=options.torch_python)
            runs.append({"seed": seed, **run})
            (options.out / "results.json").write_text(json.dumps(results))
            print(table({side: runs}), flush=True)
    print(table(results), loss_table(results), sep="\n\n")


if __name__ == "__main__":
    main()
