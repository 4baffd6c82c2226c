"""Checks a project, or data of any format: counts objects by class and split, lists problems with file and object.

    python -m mrcnn check DIR [--config TRAIN.json] [--train-tag train] [--val-tag val] [--all]
    python -m mrcnn check --data PATH [--images DIR] [--val-data PATH] [--config TRAIN.json]

`--report FILE.html` also writes charts, findings and drawn labels as one HTML file.

The exit code is 1 when there is an error or when training would refuse the data.
"""

import argparse
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from mrcnn import events, startup
from mrcnn.commands import arguments as shared
from mrcnn.commands import paths
from mrcnn.config.load import load_train_config
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError, printable
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
        report = _Report(options, config) if options.report else None
        decoded = report.read(data, log) if report else frozenset()  # so that no image is decoded twice
        if data is None:
            lines.append(_check_project(options, config, log=log, decoded=decoded))
        else:
            lines.append(_check_data(data, config, log=log, decoded=decoded))
        if report:
            report.write(log)

    code = events.run_main(run, log=log, debug=options.debug)
    for text, _ in lines:
        print(printable(text))
    return code or int(any(is_bad for _, is_bad in lines))


def _check_project(
    options: argparse.Namespace, config: TrainConfig, *, log: EventLog, decoded: Container[Path]
) -> tuple[str, bool]:
    """Checks a project; returns the report and whether it has an error."""
    check = startup.load("mrcnn.data.check", debug=options.debug)
    tags = config.dataset_tags
    report = check.check_project(
        options.directory,
        train_tag=options.train_tag or tags.train,
        val_tag=options.val_tag or tags.val,
        config=config,
        log=log,
        decoded=decoded,
    )
    return check.format_report(report, every=options.all), bool(report.errors or report.refusals)


def _check_data(
    data: dict[str, Any], config: TrainConfig, *, log: EventLog, decoded: Container[Path]
) -> tuple[str, bool]:
    """Checks data of any format; returns the report and whether it has an error."""
    check = startup.load("mrcnn.data.check_source")
    settings = check.Settings(**_settings(config))
    report = check.check_source(
        check.DataPaths(**data),
        settings,
        by_points=bool(config.model.needs),
        most_found=config.model.detections_per_image,
        log=log,
        decoded=decoded,
    )
    return check.format_report(report), bool(report.errors)


class _Report:
    """The HTML report, in two steps: the check between them shows its text also where the report fails."""

    def __init__(self, options: argparse.Namespace, config: TrainConfig):
        self._options, self._config = options, config
        self._module = startup.load("mrcnn.report.write", debug=options.debug)
        self._scanned: Any = None
        self._failed: UserError | None = None

    def read(self, data: dict[str, Any] | None, log: EventLog) -> frozenset[Path]:
        """Reads the data; returns the paths of the images that were decoded."""
        tags = {"train_tag": self._options.train_tag, "val_tag": self._options.val_tag}
        given = {name: tag for name, tag in tags.items() if tag is not None}
        settings = self._module.Settings(**{**_settings(self._config), **given})
        paths = self._module.DataPaths(**(data or {"data": self._options.directory}))
        try:
            self._scanned = self._module.read_data(paths, settings, config=self._config, log=log)
        except UserError as error:
            self._failed = error
            return frozenset()
        return frozenset(self._scanned.decoded)

    def write(self, log: EventLog) -> None:
        """Writes the report; raises the error of the reading."""
        if self._failed is not None:
            raise self._failed
        path = self._options.report
        self._module.write_page(self._scanned, path, config=self._config, from_config=self._options.config is not None)
        log.info(f"report in {path}")


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
