"""Trains our torchvision family and torchvision itself by the same steps, and compares their losses step by step.

    python -m benchmarks.same_steps PROJECT --weights resnet50.h5 --steps 150 --out runs/same_steps

Both start from the same weights, which our side writes as a `.pth` file, and get the same images in the same order,
scaled to the same square before either side sees them. Both draw the same anchors for the RPN's losses, all regions
train, no image is augmented, and the learning rate is constant: when it changes, Keras's momentum keeps the rates of
the steps before, PyTorch's does not. What remains different: our mask targets come from a grid of cells inside each
object's box, torchvision's from the mask in pixels; and the order of sums.

Training amplifies such differences, for NMS and matching decide by thresholds. To show by how much, torchvision trains
a second time from weights that differ by a factor of 1 +- `NOISE`.
"""

import argparse
import io
import json
import math
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf

from benchmarks import accuracy
from mrcnn.config.families.torchvision import TorchvisionConfig
from mrcnn.config.inference import FullImageMode
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.data.batching import Shapes, make_example
from mrcnn.data.rasterize import from_masks
from mrcnn.data.read_sample import read_sample
from mrcnn.evaluate import run as scoring
from mrcnn.events import JsonLog
from mrcnn.models.families.torchvision import Torchvision
from mrcnn.models.trainable import select_trainable
from mrcnn.ops import sampling
from mrcnn.structures import Instances
from mrcnn.train.optimizer import Decay, build_optimizer
from mrcnn.weights import foreign, imagenet, state_dict_write
from mrcnn.weights.maps.entries import Form

SCRIPT = Path(__file__).with_name("same_steps_torchvision.py")
START, SETTINGS = "start.pth", "settings.json"
OURS, THEIRS, AGAIN = "ours", "torchvision", "torchvision_again"  # `.json` with losses and `.pth` with weights of each
NOISE = 1e-6  # float32 rounds to 1.2e-7
METRICS = ("box_ap", "box_ap50", "mask_ap", "mask_ap50")
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
PROPOSALS = 100  # of an image after NMS; all of them train, with the objects' own boxes
MOST_OBJECTS = 28
REGIONS = PROPOSALS + MOST_OBJECTS  # all candidates, whatever their share of objects
GRID = 112  # cells of a side of our ground-truth masks
LOSSES = {  # our name of a loss: torchvision's
    "rpn_class_loss": "loss_objectness",
    "rpn_bbox_loss": "loss_rpn_box_reg",
    "mrcnn_class_loss": "loss_classifier",
    "mrcnn_bbox_loss": "loss_box_reg",
    "mrcnn_mask_loss": "loss_mask",
}
TOLERANCE = 0.02
SHOWN = 6  # parts of the steps that the table shows


def main() -> None:
    """Runs the command line."""
    options = parse()
    config = load_train_config(Path(__file__).with_name("accuracy.json"), warn=print)
    samples = accuracy.read_samples(config, options.project)
    classes = len(samples.class_title_to_idx)
    options.out.mkdir(parents=True)
    steps = write_steps(samples.train, config, options.out, count=options.steps, side=options.side)
    keras.utils.set_random_seed(options.seed)
    model = build(classes, options.weights)
    write_state(model, options.out / START)
    settings = {"classes": classes, "side": options.side, "lr": options.lr, "steps": options.steps}
    settings |= {"proposals": PROPOSALS, "regions": REGIONS, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}
    (options.out / SETTINGS).write_text(json.dumps(settings))
    losses = {OURS: train(model, steps, options)}
    (options.out / f"{OURS}.json").write_text(json.dumps(losses[OURS]))
    write_state(model, options.out / f"{OURS}.pth")
    for name, noise in ((THEIRS, 0.0), (AGAIN, NOISE)):
        command = [options.torch_python, str(SCRIPT), str(options.out), "--name", name, "--noise", str(noise)]
        subprocess.run(command, check=True)
        losses[name] = json.loads((options.out / f"{name}.json").read_text())
    sums = {name: sums_of(found) for name, found in losses.items()}
    print(table(losses[OURS], losses[THEIRS]))
    print(f"ours and torchvision: {verdict(sums[OURS], sums[THEIRS])}")
    print(f"torchvision and torchvision from weights changed by {NOISE}: {verdict(sums[AGAIN], sums[THEIRS])}")
    titles = sorted(samples.class_title_to_idx, key=samples.class_title_to_idx.get)[1:]
    for name in losses:
        found = evaluate(options.out / f"{name}.pth", titles, config=config, options=options)
        print(f"{name}: " + ", ".join(f"{metric} {found[metric]:.3f}" for metric in METRICS))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="a Supervisely project with the tag train")
    parser.add_argument("--weights", required=True, help="an .h5 file of keras.applications' ResNet-50")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--side", type=int, default=256, help="of the square images in pixels, a multiple of 32")
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    parser.add_argument("--out", type=Path, required=True, help="new folder")
    parser.add_argument("--torch-python", default=".venv-torch/bin/python", help="Python with torchvision")
    return parser.parse_args(arguments)


def write_steps(
    samples: Sequence[Any], config: TrainConfig, folder: Path, *, count: int, side: int
) -> list[list[tuple[np.ndarray, Instances]]]:
    """Writes the images of each step, two at a time in the samples' order, as `benchmarks.accuracy` writes them.

    Returns:
        The images and objects of each step.
    """
    (folder / "train").mkdir()
    stored = [_square(sample, config, side=side) for sample in samples]
    steps = [[stored[(2 * step + slot) % len(stored)] for slot in (0, 1)] for step in range(count)]
    for number, step in enumerate(steps):
        fields: dict[str, Any] = {"count": len(step), "priority": anchor_priority(number, side=side)}
        for slot, (image, instances) in enumerate(step):
            masks = np.zeros((len(instances.boxes), side, side), bool)
            for canvas, box, mask in zip(masks, instances.boxes.astype(int), instances.masks, strict=True):
                canvas[box[0] : box[2], box[1] : box[3]] = mask
            fields |= {
                f"image{slot}": image,
                f"boxes{slot}": instances.boxes,
                f"class_ids{slot}": instances.class_ids,
                f"masks{slot}": np.packbits(masks),
            }
        np.savez_compressed(folder / "train" / f"{number:06d}.npz", **fields)
    return steps


def anchor_priority(step: int, *, side: int) -> np.ndarray:
    """Computes which anchors our model draws first for the RPN's losses, where an image's seed is the step's number.

    Args:
        step: number of the step.
        side: of the square images in pixels.

    Returns:
        `[N]` float32, more than there are anchors: each position's own, whatever N.
    """
    return np.asarray(sampling.random_priority(np.array([step]), side * side, salt=sampling.ANCHOR_SALT))[0]


def _square(sample: Any, config: TrainConfig, *, side: int) -> tuple[np.ndarray, Instances]:
    """Scales an image and its objects into the corner of a square; the rest has the images' mean."""
    image, instances = read_sample(sample)
    factor = side / max(image.shape[:2])
    height, width = (max(1, round(length * factor)) for length in image.shape[:2])
    mean = TorchvisionConfig().image_mean
    square = np.tile(np.round(np.asarray(mean)).astype(np.uint8), (side, side, 1))
    square[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    masks, corners, class_ids = [], [], []
    for index in np.flatnonzero(~instances.ignore)[:MOST_OBJECTS]:
        whole = np.zeros(image.shape[:2], np.uint8)
        y1, x1, y2, x2 = instances.boxes[index].astype(int)
        whole[y1:y2, x1:x2] = instances.masks[index]
        small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA) > 0
        rows, columns = np.flatnonzero(small.any(axis=1)), np.flatnonzero(small.any(axis=0))
        if len(rows) > 1 and len(columns) > 1:  # torchvision refuses boxes without area
            masks.append(small[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
            corners.append((rows[0], columns[0]))
            class_ids.append(int(instances.class_ids[index]))
    kept = from_masks(masks=masks, corners=corners, class_ids=class_ids, ignore=[False] * len(masks), extras={})
    return square, kept


def build(classes: int, weights: str) -> Torchvision:
    """Builds our torchvision family with all regions in the losses, and ImageNet weights in its ResNet."""
    settings = TorchvisionConfig(
        roi_samples=REGIONS,
        roi_positive_fraction=1.0,
        post_nms_topk_train=PROPOSALS,
        max_gt_instances=MOST_OBJECTS,
        gt_mask_size=GRID,
    )
    model = Torchvision(num_classes=classes, settings=settings.model_dump())
    imagenet.load_imagenet(model.weight_layout(), weights, settings.resnet)
    select_trainable(model, "3+")
    return model


def write_state(model: Torchvision, path: Path) -> None:
    """Writes the model's weights as torchvision's state dict."""
    layers = {layer: {name: variable.numpy() for name, variable in weights} for layer, weights in model.weight_layout()}
    tensors = foreign.state_dict_of(layers, code_base="torchvision", form=Form(model.settings.backbone))
    state_dict_write.write_torch(path, tensors)


def train(
    model: Torchvision, steps: Sequence[Sequence[tuple[np.ndarray, Instances]]], options: argparse.Namespace
) -> list[dict[str, float]]:
    """Trains our model and returns the losses of each step, before its update."""
    decay = Decay(WEIGHT_DECAY, "gradient")
    optimizer = build_optimizer(options.lr, momentum=MOMENTUM, global_clipnorm=None, decay=decay)
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            total, parts = model.losses_of(model(batch, training=True))
        optimizer.apply(tape.gradient(total, variables), variables)
        return parts

    found = []
    for number, batch in enumerate(batches(model, steps, side=options.side)):
        found.append({name: float(value) for name, value in step(batch).items() if name in LOSSES})
        if (number + 1) % 20 == 0:
            print(f"ours: step {number + 1} of {len(steps)}", flush=True)
    return found


def batches(
    model: Torchvision, steps: Sequence[Sequence[tuple[np.ndarray, Instances]]], *, side: int
) -> Iterator[dict[str, tf.Tensor]]:
    """Yields the batch of each step as training has it."""
    shapes = Shapes(side, side, 3, MOST_OBJECTS, GRID, shape="rectangle", fit=model.settings.image_fit)
    for number, step in enumerate(steps):
        examples = [make_example(image, objects, shapes=shapes, image_id=0, seed=number) for image, objects in step]
        yield {name: tf.constant(np.stack([example[name] for example in examples])) for name in examples[0]}


def evaluate(
    weights: Path, titles: Sequence[str], *, config: TrainConfig, options: argparse.Namespace
) -> dict[str, Any]:
    """Computes the AP of a side's weights on the project's validation images, by our model and evaluator."""
    return scoring.evaluate_model(
        weights,
        options.project,
        tag=config.dataset_tags.val,
        mode=FullImageMode(),
        names={"classes": titles, "input_size": (options.side, options.side)},
        loading={},
        batch_size=1,
        log=JsonLog(io.StringIO()),
    )


def sums_of(losses: Sequence[Mapping[str, float]]) -> list[float]:
    """Adds up each step's losses, by the names of either side."""
    names = LOSSES if next(iter(LOSSES)) in losses[0] else LOSSES.values()
    return [sum(step[name] for name in names) for step in losses]


def gaps_of(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Computes each step's relative difference of two sums."""
    return [abs(a - b) / b for a, b in zip(ours, theirs, strict=True)]


def table(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> str:
    """Formats the losses of both sides at some steps, ours first, and the relative difference of their sums."""
    lines = [f"{'step':>6}" + "".join(f"{name.removesuffix('_loss'):>22}" for name in LOSSES) + f"{'sum':>9}"]
    gaps = gaps_of(sums_of(ours), sums_of(theirs))
    for step in sorted({round(place) for place in np.linspace(0, len(ours) - 1, min(SHOWN, len(ours)))}):
        cells = "".join(f"{ours[step][a]:>11.4f}{theirs[step][b]:>11.4f}" for a, b in LOSSES.items())
        lines.append(f"{step + 1:>6}{cells}{gaps[step]:>9.2%}")
    return "\n".join(lines)


def verdict(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Formats how far the sums of the losses of two runs differ."""
    gaps = gaps_of(ours, theirs)
    if not all(map(math.isfinite, gaps)):
        return "a side diverged"
    far = [step + 1 for step, gap in enumerate(gaps) if gap > TOLERANCE]
    first = f", first in step {far[0]}" if far else ""
    return (
        f"sums of losses differ by {statistics.median(gaps):.2%} (median) and at most {max(gaps):.2%}; by more than "
        f"{TOLERANCE:.0%} in {len(far)} of {len(gaps)} steps{first}"
    )


if __name__ == "__main__":
    main()
