"""Checks a project: counts objects by class and split, lists problems with file and object.

    python -m mrcnn check DIR [--config TRAIN.json] [--train-tag train] [--val-tag val] [--all]

The exit code is 1 when there is an error or when training would refuse the project.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mrcnn import events, startup
from mrcnn.config.load import load_train_config
from mrcnn.errors import printable


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("directory", type=Path, metavar="DIR", help="the project, or a folder with one project in it")
    parser.add_argument("--config", type=Path, metavar="JSON", help="train config whose sizes and classes count")
    parser.add_argument("--train-tag", help="tag of the training images, instead of the config's (train)")
    parser.add_argument("--val-tag", help="tag of the validation images, instead of the config's (val)")
    parser.add_argument("--all", action="store_true", help="show each problem, also those that are repeated")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    log, reports = events.make_log("rich"), []
    check = startup.load("mrcnn.data.check", debug=options.debug)

    def run() -> None:
        config = load_train_config(options.config or {}, warn=log.warning)
        tags = config.dataset_tags
        report = check.check_project(
            options.directory,
            train_tag=options.train_tag or tags.train,
            val_tag=options.val_tag or tags.val,
            config=config,
            log=log,
        )
        reports.append(report)

    code = events.run_main(run, log=log, debug=options.debug)
    for report in reports:
        print(printable(check.format_report(report, every=options.all)))
    return code or int(any(report.errors or report.refusals for report in reports))
