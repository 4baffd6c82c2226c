"""Merges the results of `mrcnn infer --engine`: `mrcnn merge OUTPUT --coco FILE` or `--project DIR`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mrcnn import optional, startup
from mrcnn.commands import paths, tasks
from mrcnn.errors import UserError, counted
from mrcnn.events import EventLog


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description="Merge the results of `mrcnn infer --engine`.")
    parser.add_argument("results", metavar="DIR", help="output of `mrcnn infer --engine`, a folder or URL")
    parser.add_argument("--coco", type=Path, metavar="FILE",
                        help="write a COCO data set, and the COCO results list beside it (FILE_results)")  # fmt: skip
    parser.add_argument("--project", type=Path, metavar="DIR", help="write a Supervisely project with the images")
    tasks.add_log_options(parser)
    return parser


def merge(options: argparse.Namespace, log: EventLog) -> None:
    """Merges the results that the options name.

    Raises:
        UserError: nothing to write is named, the job is not complete, or a file cannot be written.
    """
    if options.coco is None and options.project is None:
        raise UserError("name what to write: --coco FILE, --project DIR or both")
    if options.coco is not None:
        paths.check_file(options.coco, what="the COCO file")
    optional.require("scale", purpose="mrcnn merge")
    merging = startup.load("mrcnn.scale.merge", debug=options.debug)
    found = merging.open_complete(startup.load("mrcnn.scale.storage").normalized(options.results))
    if options.coco is not None:
        number = merging.to_coco(found, options.coco, log=log)
        log.info(f"{counted(number, 'detection')} written to {options.coco}")
    if options.project is not None:
        number = merging.to_project(found, options.project, log=log)
        log.info(f"{counted(number, 'image')} written to {options.project}")


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    return tasks.run(lambda log: merge(options, log), options)
