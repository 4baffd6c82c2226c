"""Compares masks learnt from masks with masks learnt from labelled points, on the same images and in the same steps.

    python -m benchmarks.point_supervision --project nuclei --out runs/points --weights resnet50.h5

Each variant starts from the same weights and sees the same images in the same order: full masks, and for each number of
`--points` a copy of the project in which the training objects are boxes with so many random points
(python -m mrcnn convert points). All are measured on the masks of the validation images. Without a project, scenes of a
few blobs, stars and sticks are drawn.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import scenes
from benchmarks.unseen_masks import CONFIG as COMMON
from benchmarks.unseen_masks import MEASURES, SCORE_THRESHOLD
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.convert import points as converter
from mrcnn.convert.points import Rules
from mrcnn.evaluate import run as scoring
from mrcnn.events import JsonLog
from mrcnn.files import replaced
from mrcnn.train.run import train

MASKS = 0  # number of points of the variant with full masks
COLUMNS = ("box_ap", *MEASURES)


def name_of(count: int) -> str:
    """Names the variant of that number of points."""
    return f"{count} points" if count else "masks"


def make_config(count: int, options: argparse.Namespace, *, seed: int) -> TrainConfig:
    """Makes the config of a variant; the variants differ in what the mask head learns from."""
    start = {"weights_init_type": "random"}
    if options.weights:
        start = {"weights_init_type": "imagenet", "imagenet_weights": str(options.weights)}
    base = json.loads(options.config.read_text(encoding="utf-8")) if options.config else COMMON
    size = {"min_dim": options.side, "max_dim": options.side}
    supervision = {"mask_supervision": "points" if count else "masks"}
    model = {**base.get("model", {}), "class_agnostic_masks": options.class_agnostic, **supervision}
    return load_train_config(
        {
            **base,
            **start,
            "seed": seed,
            "epochs": options.epochs,
            "input_size": base.get("input_size", size) if options.config else size,
            "validation": {"every_epochs": options.epochs},
            "checkpoints": {"keep": 1},
            "early_stopping": None,
            "model": model,
        }
    )


def project_of(count: int, options: argparse.Namespace) -> Path:
    """Returns the project of a variant; makes it where it is missing."""
    if count == MASKS:
        return options.project
    folder = options.out / f"project-{count}"
    if not folder.exists():
        converter.convert(options.project, folder, log=JsonLog(), rules=Rules(points=count))
    return folder


def measure(count: int, options: argparse.Namespace, *, seed: int) -> dict[str, Any]:
    """Trains and evaluates a variant; returns the measures of `scoring.evaluate_model`."""
    output = options.out / f"{name_of(count).replace(' ', '-')}-{seed}"
    log = JsonLog()
    config = make_config(count, options, seed=seed)
    train(config, project_dir=project_of(count, options), output_dir=output, log=log)
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
    return {name: metrics[name] for name in COLUMNS}


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Formats the results as a Markdown table.

    Args:
        found: results of `measure` by variant and seed.
    """
    lines = ["| learnt from, seed | " + " | ".join(COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    for name, result in found.items():
        lines.append(f"| {name} | " + " | ".join(f"{result[column]:.3f}" for column in COLUMNS) + " |")
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="new folder for projects, models and results.json")
    parser.add_argument("--project", type=Path, help="with masks and the tags train and val; default: drawn scenes")
    parser.add_argument("--config", type=Path, help="train config of all variants, such as presets/nuclei_cpu.json")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of ResNet-50; default: random")
    parser.add_argument("--points", type=int, nargs="+", default=[10, 20], help="numbers of points (10 20)")
    parser.add_argument("--no-masks", action="store_true", help="leave the variant with full masks out")
    parser.add_argument("--class-agnostic", action="store_true", help="one mask for all classes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--side", type=int, default=128, help="of drawn scenes, and of the input without --config (128)"
    )
    parser.add_argument("--train", type=int, default=100, help="drawn training images (100)")
    parser.add_argument("--val", type=int, default=40, help="drawn validation images (40)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the variants in turn and prints the table after each."""
    options = parse(arguments)
    options.project = options.project or scenes.draw_mixed(options)
    found: dict[str, Any] = {}
    for seed in options.seeds:
        for count in ([] if options.no_masks else [MASKS]) + options.points:
            found[f"{name_of(count)}, {seed}"] = measure(count, options, seed=seed)
            with replaced(options.out / "results.json") as partial:
                partial.write_text(json.dumps(scoring.jsonable(found), indent=1), encoding="utf-8")
            print(table(found), flush=True)


if __name__ == "__main__":
    main()
