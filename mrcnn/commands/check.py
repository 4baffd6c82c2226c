"""Checks a project, or data of any format: counts objects by class and split, lists problems with file and object.

    python -m mrcnn check DIR [--config TRAIN.json] [--train-tag train] [--val-tag val] [--all]
    python -m mrcnn check --data PATH [--images DIR] [--val-data PATH] [--config TRAIN.json]

`--report FILE.html` also writes charts, findings and drawn labels as one HTML file.

The exit code is 1 when there is an error or when training would refuse the data.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrcnn import events, startup
from mrcnn.commands import arguments as shared
from mrcnn.commands import paths
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.errors import printable
from mrcnn.events import EventLog


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("directory", type=Path, nargs="?", metavar="DIR", help="project, or a folder with one in it")
    place.add_argument("--data", type=Path, metavar="PATH", help=shared.DATA)
    parser.add_argument("--images", type=Path, metavar="DIR", help=shared.IMAGES)
    parser.add_argument("--val-data", type=Path, metavar="PATH", help="with --data: the same of the validation set")
    parser.add_argument("--val-images", type=Path, metavar="DIR", help="with --val-data: its images; default --images")
    shared.add_boxes(parser)
    parser.add_argument("--config", type=Path, metavar="JSON", help="train config whose sizes and classes count")
    parser.add_argument("--train-tag", help="tag of the training images, instead of the config's (train)")
    parser.add_argument("--val-tag", help="tag of the validation images, instead of the config's (val)")
    parser.add_argument("--all", action="store_true", help="show each problem, also those that are repeated")
    parser.add_argument("--report", type=Path, metavar="HTML", help="also write charts, findings and drawn labels here")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log, lines = events.make_log("rich"), []

    def run() -> None:
        config = load_train_config(options.config or {}, warn=log.warning)
        data = shared.data_paths(options)
        if options.report:
            paths.check_file(options.report, what="the report")
        lines.append(_check_project(options, config, log) if data is None else _check_data(data, config, log))
        if options.report:
            _report(options, data, config=config, log=log)

    code = events.run_main(run, log=log, debug=options.debug)
    for text, _ in lines:
        print(printable(text))
    return code or int(any(is_bad for _, is_bad in lines))


def _check_project(options: argparse.Namespace, config: TrainConfig, log: EventLog) -> tuple[str, bool]:
    """Checks a project; returns the report and whether it has an error."""
    check = startup.load("mrcnn.data.check", debug=options.debug)
    tags = config.dataset_tags
    report = check.check_project(
        options.directory,
        train_tag=options.train_tag or tags.train,
        val_tag=options.val_tag or tags.val,
        config=config,
        log=log,
    )
    return check.format_report(report, every=options.all), bool(report.errors or report.refusals)


def _check_data(data: dict[str, Any], config: TrainConfig, log: EventLog) -> tuple[str, bool]:
    """Checks data of any format; returns the report and whether it has an error."""
    check = startup.load("mrcnn.data.check_source")
    settings = check.Settings(**_settings(config))
    report = check.check_source(check.DataPaths(**data), settings, by_points=bool(config.model.needs), log=log)
    return check.format_report(report), bool(report.errors)


def _report(options: argparse.Namespace, data: dict[str, Any] | None, *, config: TrainConfig, log: EventLog) -> None:
    """Writes the HTML report."""
    module = startup.load("mrcnn.report.write", debug=options.debug)
    tags = {"train_tag": options.train_tag, "val_tag": options.val_tag}
    given = {name: tag for name, tag in tags.items() if tag is not None}
    module.write_report(
        module.DataPaths(**(data or {"data": options.directory})),
        module.Settings(**{**_settings(config), **given}),
        options.report,
        config=config,
        from_config=options.config is not None,
        log=log,
    )
    log.info(f"report in {options.report}")


def _settings(config: TrainConfig) -> dict[str, Any]:
    """Collects the fields of `data.sources.source.Settings` that a config sets."""
    special = config.special_classes
    return {
        "train_tag": config.dataset_tags.train,
        "val_tag": config.dataset_tags.val,
        "background": special.background,
        "neutral": special.neutral,
        "max_skipped_share": config.max_skipped_share,
        "seed": config.seed,
        "stuff": special.stuff,
    }
