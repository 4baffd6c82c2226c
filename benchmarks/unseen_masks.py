"""Compares mask heads on classes whose objects have boxes in the training data, but no masks.

    python -m benchmarks.unseen_masks --out runs/unseen --weights resnet50.h5
    python -m benchmarks.unseen_masks --project PROJECT --taught cat dog --out runs/unseen

Each variant trains the same model on the same images: the usual convolutions or hourglass20, both with one mask for all
classes, on the sampled proposals or on the objects' own boxes (docs/heads.md). Only the classes of `--taught` teach
masks. The table has the AP of both groups of classes on the validation images, by variant and seed. Without a project,
scenes of a few blobs, stars and sticks are drawn, and blobs and sticks teach.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import scenes
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.evaluate import run as scoring
from mrcnn.evaluate.groups import SEEN, UNSEEN
from mrcnn.evaluate.metric import GROUPS
from mrcnn.events import JsonLog
from mrcnn.files import replaced
from mrcnn.train.run import train

TAUGHT = ("blob", "stick")
MEASURES = ("mask_ap", "mask_ap50", "mask_ap75")
SCORE_THRESHOLD = 0.05
CONFIG: dict[str, Any] = {
    "lr": 0.01,
    "batch_size": {"train": 4, "val": 4},
    "train_layers": "4+",
    "model": {
        "backbone": "resnet50", "batch_norm": "trained", "anchor_sizes": [16, 32, 48, 64, 96], "fpn_channels": 128,
        "rpn_channels": 128, "box_fc_channels": 512, "pre_nms_topk": 500, "post_nms_topk_train": 300,
        "post_nms_topk": 200, "roi_samples": 32, "roi_positive_fraction": 0.25, "class_agnostic_masks": True,
    },
    "lr_schedule": {"name": "cosine", "warmup_steps": 30, "final_fraction": 0.02},
    "augmentation": [{"name": "Fliplr", "args": {"p": 0.5}}],
    "optimizer": {"global_clipnorm": None},
    "checkpoints": {"keep": 1},
}  # fmt: skip


class Variant(NamedTuple):
    """A mask head and the boxes that it trains on, named as in a config."""

    mask_head: str
    mask_train_boxes: str

    @property
    def name(self) -> str:
        """Of the variant's folder and row."""
        return f"{self.mask_head}-{self.mask_train_boxes}"


VARIANTS = tuple(Variant(head, boxes) for head in ("fcn", "hourglass20") for boxes in ("proposals", "ground_truth"))


def make_config(variant: Variant, options: argparse.Namespace, *, seed: int) -> TrainConfig:
    """Makes the config of a variant.

    The hourglass reads features of 16 x 16 cells, so that its masks have about as many cells as the usual ones.
    """
    pool = {} if variant.mask_head == "fcn" else {"mask_pool_size": 16, "gt_mask_size": 56}
    start = {"weights_init_type": "random"}
    if options.weights:
        start = {"weights_init_type": "imagenet", "imagenet_weights": str(options.weights)}
    return load_train_config(
        {
            **CONFIG,
            **start,
            "seed": seed,
            "epochs": options.epochs,
            "input_size": {"min_dim": options.side, "max_dim": options.side},
            "allowed_mask_classes": list(options.taught),
            "validation": {"every_epochs": options.epochs},
            "model": {**CONFIG["model"], **variant._asdict(), **pool},
        }
    )


def measure(variant: Variant, options: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """Trains and evaluates a variant.

    Returns:
        The groups `seen` and `unseen`, as `groups.averages`, and `box_ap`.
    """
    output = options.out / f"{variant.name}-{seed}"
    log = JsonLog()
    train(make_config(variant, options, seed=seed), project_dir=options.project, output_dir=output, log=log)
    metrics = scoring.evaluate_model(
        output / "last",
        options.project,
        tag="val",
        mode=scoring.FULL_IMAGE,
        names={"classes": None, "input_size": None},
        loading={"score_threshold": SCORE_THRESHOLD},
        batch_size=4,
        log=log,
    )
    return {**{name: metrics[GROUPS][name] for name in (SEEN, UNSEEN)}, "box_ap": metrics["box_ap"]}


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Formats the results as a Markdown table.

    Args:
        found: results of `measure` by variant and seed.
    """
    heads = [f"{group} {name}" for group in (SEEN, UNSEEN) for name in ("box_ap", *MEASURES)]
    lines = ["| variant, seed | " + " | ".join(heads) + " |", "| --- |" + " --- |" * len(heads)]
    for name, result in found.items():
        cells = [f"{result[group][measure]:.3f}" for group in (SEEN, UNSEEN) for measure in ("box_ap", *MEASURES)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="new folder for models and results.json")
    parser.add_argument("--project", type=Path, help="with the tags train and val; default: drawn scenes")
    parser.add_argument("--taught", nargs="+", default=TAUGHT, metavar="CLASS", help="classes that teach masks")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of ResNet-50; default: random")
    parser.add_argument("--variant", nargs="+", choices=[each.name for each in VARIANTS], help="default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--side", type=int, default=128, help="of the model input and of drawn scenes (128)")
    parser.add_argument("--train", type=int, default=100, help="drawn training images (100)")
    parser.add_argument("--val", type=int, default=40, help="drawn validation images (40)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the variants in turn and prints the table after each."""
    options = parse(arguments)
    options.project = options.project or scenes.draw_mixed(options)
    found: dict[str, Any] = {}
    chosen = [each for each in VARIANTS if options.variant is None or each.name in options.variant]
    for seed in options.seeds:
        for variant in chosen:
            found[f"{variant.name}, {seed}"] = measure(variant, options, seed=seed)
            with replaced(options.out / "results.json") as partial:
                partial.write_text(json.dumps(scoring.jsonable(found), indent=1), encoding="utf-8")
            print(table(found), flush=True)


if __name__ == "__main__":
    main()
