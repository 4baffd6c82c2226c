"""Trains a model: `python train.py --config C.json --project DIR --model DIR --output DIR`; see `--help`."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow starts to talk

from mrcnn import events
from mrcnn.config import load
from mrcnn.events import EventLog, UserError
from mrcnn.train import run

TASK_DIR = "/sly_task_data"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; paths that are not given lie in the task folder under their usual names."""
    parser = argparse.ArgumentParser(description="Train Mask R-CNN on a Supervisely project.")
    parser.add_argument("--config", type=Path, help="train config (JSON); default TASK_DIR/task_config.json")
    parser.add_argument("--project", type=Path, help="Supervisely project; default TASK_DIR/data")
    parser.add_argument("--model", help="start weights: model folder, .h5 file or coco; default TASK_DIR/model")
    parser.add_argument("--output", type=Path, help="where checkpoints go; default TASK_DIR/results")
    parser.add_argument("--task-dir", type=Path, help=f"folder of the defaults; default {TASK_DIR}")
    parser.add_argument("--resume", action="store_true", help="go on from the output folder's last checkpoint")
    parser.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    root = options.task_dir or Path(TASK_DIR)
    in_task_dir = options.task_dir is not None or not (options.config or options.project or options.output)
    for name, place in (("config", "task_config.json"), ("project", "data"), ("output", "results")):
        if getattr(options, name) is None and in_task_dir:
            setattr(options, name, root / place)
    if options.model is None and in_task_dir and (root / "model").exists():
        options.model = str(root / "model")
    return options


def main(options: argparse.Namespace, log: EventLog) -> None:
    """Runs the training that the options describe."""
    for name in ("config", "project", "output"):
        if getattr(options, name) is None:
            raise UserError(f"--{name} is missing; give it, or --task-dir for the usual places")
    config = load.load_train_config(options.config, warn=log.warning)
    run.train(
        config,
        project_dir=options.project,
        output_dir=options.output,
        log=log,
        model=options.model,
        resume=options.resume,
    )


if __name__ == "__main__":
    options = parse()
    log = events.make_log(options.log_format)
    sys.exit(events.run_main(lambda: main(options, log), log=log, debug=options.debug))
