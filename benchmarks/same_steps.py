"""Trains our torchvision family and torchvision itself by the same steps, and compares their losses step by step.

    python -m benchmarks.same_steps PROJECT --weights resnet50.h5 --steps 150 --out runs/same_steps

Both start from the same weights, which our side writes as a `.pth` file, and get the same images in the same order,
scaled to the same square before either side sees them. Nothing is random: all anchors and all regions train (no
sampling), no image is augmented, and the learning rate is constant: when it changes, Keras's momentum keeps the rates
of the steps before, PyTorch's does not. What remains different: our mask targets come from a grid of cells inside each
object's box, torchvision's from the mask in pixels; and the order of sums.
"""

import argparse
import io
import json
import math
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
from mrcnn.data import pipeline
from mrcnn.data.batching import Shapes, make_example
from mrcnn.data.rasterize import from_masks
from mrcnn.evaluate import run as scoring
from mrcnn.events import JsonLog
from mrcnn.models.families.torchvision import Torchvision
from mrcnn.models.trainable import select_trainable
from mrcnn.structures import Instances
from mrcnn.train.optimizer import Decay, build_optimizer
from mrcnn.weights import foreign, imagenet, state_dict_write
from mrcnn.weights.maps.entries import Form

SCRIPT = Path(__file__).with_name("same_steps_torchvision.py")
START, RESULT, SETTINGS = "start.pth", "torchvision.json", "settings.json"
ENDS = ("ours.pth", "torchvision.pth")  # the weights after the last step
METRICS = ("box_ap", "box_ap50", "mask_ap", "mask_ap50")
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
PROPOSALS = 100  # of an image after NMS; all of them train, with the objects' own boxes
MOST_OBJECTS = 28
REGIONS = PROPOSALS + MOST_OBJECTS  # all candidates, whatever their share of objects
ALL_ANCHORS = 1 << 17  # more than there are
GRID = 112  # cells of a side of our ground-truth masks
LOSSES = {  # our name of a loss: torchvision's
    "rpn_class_loss": "loss_objectness",
    "rpn_bbox_loss": "loss_rpn_box_reg",
    "mrcnn_class_loss": "loss_classifier",
    "mrcnn_bbox_loss": "loss_box_reg",
    "mrcnn_mask_loss": "loss_mask",
}
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
    settings |= {"proposals": PROPOSALS, "regions": REGIONS, "anchors": ALL_ANCHORS, "momentum": MOMENTUM}
    settings |= {"weight_decay": WEIGHT_DECAY}
    (options.out / SETTINGS).write_text(json.dumps(settings))
    ours = train(model, steps, options)
    write_state(model, options.out / ENDS[0])
    subprocess.run([options.torch_python, str(SCRIPT), str(options.out)], check=True)
    theirs = json.loads((options.out / RESULT).read_text())
    (options.out / "ours.json").write_text(json.dumps(ours))
    print(table(ours, theirs))
    titles = sorted(samples.class_title_to_idx, key=samples.class_title_to_idx.get)[1:]
    for end in ENDS:
        found = evaluate(options.out / end, titles, config=config, options=options)
        print(f"{end}: " + ", ".join(f"{name} {found[name]:.3f}" for name in METRICS))


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
        fields: dict[str, Any] = {"count": len(step)}
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


def _square(sample: Any, config: TrainConfig, *, side: int) -> tuple[np.ndarray, Instances]:
    """Scales an image and its objects into the corner of a square; the rest has the images' mean."""
    image, instances = pipeline.read_sample(sample)
    factor = side / max(image.shape[:2])
    height, width = (max(1, round(length * factor)) for length in image.shape[:2])
    mean = TorchvisionConfig().image_mean
    square = np.tile(np.round(np.asarray(mean)).astype(np.uint8), (side, side, 1))
    square[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    masks, class_ids = [], []
    for index in np.flatnonzero(~instances.ignore)[:MOST_OBJECTS]:
        whole = np.zeros(image.shape[:2], np.uint8)
        y1, x1, y2, x2 = instances.boxes[index].astype(int)
        whole[y1:y2, x1:x2] = instances.masks[index]
        small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA) > 0
        if small.any(axis=1).sum() > 1 and small.any(axis=0).sum() > 1:  # torchvision refuses boxes without area
            masks.append(small)
            class_ids.append(int(instances.class_ids[index]))
    corners = [(0, 0)] * len(masks)
    kept = from_masks(masks=masks, corners=corners, class_ids=class_ids, ignore=[False] * len(masks), extras={})
    return square, kept


def build(classes: int, weights: str) -> Torchvision:
    """Builds our torchvision family with all anchors and regions in the losses, and ImageNet weights in its ResNet."""
    settings = TorchvisionConfig(
        rpn_samples=ALL_ANCHORS,
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
    for step in steps:
        examples = [make_example(image, objects, shapes=shapes, image_id=0, seed=0) for image, objects in step]
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


def table(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> str:
    """Formats the losses of both sides at some steps, and the largest relative difference of their sums so far."""
    lines = [f"{'step':>6}" + "".join(f"{name.removesuffix('_loss'):>22}" for name in LOSSES) + f"{'sum':>9}"]
    pairs = zip(ours, theirs, strict=True)
    sums = [(sum(a[name] for name in LOSSES), sum(b[name] for name in LOSSES.values())) for a, b in pairs]
    gaps = [abs(a - b) / b for a, b in sums]
    for step in sorted({round(place) for place in np.linspace(0, len(ours) - 1, min(SHOWN, len(ours)))}):
        cells = "".join(f"{ours[step][a]:>11.4f}{theirs[step][b]:>11.4f}" for a, b in LOSSES.items())
        lines.append(f"{step + 1:>6}{cells}{gaps[step]:>9.2%}")
    within = next((step for step, gap in enumerate(gaps) if gap > 0.02), len(gaps))
    lines.append(f"sums differ by at most {max(gaps):.2%}; the first {within} steps by less than 2%")
    if not math.isfinite(max(gaps)):
        lines.append("a side diverged")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
