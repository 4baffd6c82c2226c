"""Measures the share of training time that is spent waiting for images, epoch by epoch.

    python -m benchmarks.input_wait CONFIG PROJECT [--epochs 3]

The run is a usual training into a temporary folder, so decoding, augmentation and the device are those of the config.
The first epoch leaves out the step that builds the graph.
"""

import argparse
import csv
import tempfile
from pathlib import Path

from mrcnn.config.load import load_train_config
from mrcnn.events import JsonLog
from mrcnn.train.callbacks import HISTORY
from mrcnn.train.input_wait import COLUMN
from mrcnn.train.run import train

COLUMNS = ("epoch", "train_seconds", "images_per_second", COLUMN)


def main() -> None:
    """Trains and prints a line for each epoch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    print("".join(f"{name:>20}" for name in COLUMNS))
    for row in measure(options.config, options.project, epochs=options.epochs):
        print("".join(f"{row[name]:>20}" for name in COLUMNS))


def measure(config: Path, project: Path, *, epochs: int) -> list[dict[str, str]]:
    """Trains on a project.

    Args:
        config: a train config whose `weights_init_type` needs no start weights.
        project: a Supervisely project.
        epochs: epochs to train.

    Returns:
        `COLUMNS` of the history, a row per epoch; an empty text where nothing was measured.
    """
    settings = load_train_config(config).model_copy(update={"epochs": epochs})
    with tempfile.TemporaryDirectory() as folder:
        train(settings, project_dir=project, output_dir=folder, log=JsonLog())
        with (Path(folder) / HISTORY).open(newline="") as file:
            return [{name: row.get(name, "") for name in COLUMNS} for row in csv.DictReader(file)]


if __name__ == "__main__":
    main()
