"""Trains a model: `mrcnn train --config C.json --project DIR --model MODEL --output DIR`, or `train.py`.

`--data instances.json --images DIR` trains on COCO JSON instead of a project.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from mrcnn import startup
from mrcnn.commands import arguments, paths, tasks
from mrcnn.config import load
from mrcnn.config.base import USES_MODEL
from mrcnn.config.train import TrainConfig
from mrcnn.events import EventLog

NEEDS = {"config": "--config", "project": "--project (or --data with --images)", "output": "--output"}


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Train Mask R-CNN on a Supervisely project or on COCO JSON."
    )
    parser.add_argument("--config", type=Path, help="train config (JSON); default TASK_DIR/task_config.json")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--project", type=Path, help="Supervisely project; default TASK_DIR/data")
    place.add_argument("--data", type=Path, metavar="PATH", help=arguments.DATA)
    parser.add_argument("--images", type=Path, metavar="DIR", help=arguments.IMAGES)
    arguments.add_boxes(parser)
    parser.add_argument("--val-data", type=Path, metavar="PATH",
                        help="with --data: the same of the validation set; default a fifth of the images")  # fmt: skip
    parser.add_argument("--val-images", type=Path, metavar="DIR", help="with --val-data: its images; default --images")
    parser.add_argument(
        "--model",
        type=Path,
        help="start weights: model folder, weight file, coco or a published name; default TASK_DIR/model",
    )
    parser.add_argument("--output", type=Path, help="where checkpoints go; default TASK_DIR/results")
    parser.add_argument("--resume", action="store_true", help="go on from the output folder's last checkpoint")
    parser.add_argument("--workers", choices=("auto", "tf_config", "slurm"),
                        help="train in several processes, which are found by $TF_CONFIG or Slurm's variables; auto: "
                        "by those that are set")  # fmt: skip
    parser.add_argument("--workers-port", type=int, default=29400, metavar="PORT",
                        help="with Slurm: port of a machine's first worker; default 29400")  # fmt: skip
    parser.add_argument("--report", action="store_true",
                        help="at the end evaluate the best model and write OUTPUT/report.html")  # fmt: skip
    tasks.add_options(parser)
    return parser


def parse(given: Sequence[str] | None = None, *, prog: str | None = None) -> argparse.Namespace:
    """Reads the command line."""
    return make_parser(prog).parse_args(given)


def train(options: argparse.Namespace, log: EventLog) -> None:
    """Runs the training that the options describe."""
    data = arguments.data_paths(options)
    needs = {name: text for name, text in NEEDS.items() if not (name == "project" and data)}
    task = tasks.open_task(options, needs=needs, instead=("config", "project", "output", *(["data"] if data else [])))
    config_path, output = task.path("config"), task.path("output")
    project = None if data else task.path("project")
    config = load.load_train_config(config_path, warn=log.warning)
    model = options.model
    if task.root and model is None and not options.resume and _uses_folder(config, task.path("model")):
        model = task.path("model")
    if not options.resume:
        paths.check_start(model, config)
        paths.check_data(project, data)  # of a complete run that is resumed, no data is read
    paths.check_checkpoints(output, resume=options.resume)
    if options.workers:  # one line instead of TensorFlow's own about a lost worker
        os.environ.setdefault(startup.LEVEL_VARIABLE, "3")
    run = startup.load("mrcnn.train.run", debug=options.debug)
    workers = _workers(options, run) if options.workers else None
    listed = run.DataPaths(**data) if data else None
    checked = run.train(
        config,
        project_dir=project,
        data=listed,
        output_dir=output,
        log=log,
        model=None if model is None else str(model),
        resume=options.resume,
        workers=workers,
    )
    if options.report and checked is not None:
        report = startup.load("mrcnn.report.evaluation.of_run", debug=options.debug)
        report.write_run(checked, output, data=listed or project, log=log)


def _workers(options: argparse.Namespace, run: ModuleType) -> Any:
    return run.cluster.find(options.workers, os.environ, port=options.workers_port)


def _uses_folder(config: TrainConfig, model: Path) -> bool:
    """Checks whether a task's start weights are used; `auto` uses them where the folder is not empty."""
    is_there = model.is_dir() and any(model.iterdir())
    return config.with_start(model if is_there else None).weights_init_type in USES_MODEL


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> NoReturn:
    """Runs the command and ends the process."""
    options = parse(arguments, prog=prog)
    tasks.leave(tasks.run(lambda log: train(options, log), options))
