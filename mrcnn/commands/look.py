"""Draws the batches that a training would begin with, after augmentation, into PNG files.

    python -m mrcnn look CONFIG --project DIR --out FOLDER [--batches N] [--model MODEL]
    python -m mrcnn look CONFIG --data PATH [--images DIR] --out FOLDER

CONFIG is a train config or the name of a preset. The pictures show images, boxes, masks, points, regions to ignore and
neutral pixels as the network gets them; with the same config and data they are those of the training.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mrcnn import events, startup
from mrcnn.commands import arguments as shared
from mrcnn.config.load import load_train_config
from mrcnn.events import EventLog

BATCHES = 4


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__.split("\n")[0])
    parser.add_argument("config", type=Path, metavar="CONFIG", help="train config (JSON)")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--project", type=Path, metavar="DIR", help="Supervisely project, or a folder with one in it")
    place.add_argument("--data", type=Path, metavar="PATH", help=shared.DATA)
    parser.add_argument("--images", type=Path, metavar="DIR", help=shared.IMAGES)
    parser.add_argument("--val-data", type=Path, metavar="PATH", help="with --data: the same of the validation set")
    parser.add_argument("--val-images", type=Path, metavar="DIR", help="with --val-data: its images; default --images")
    shared.add_boxes(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new or empty folder of the pictures")
    parser.add_argument("--batches", type=_positive, default=BATCHES, metavar="N",
                        help=f"number of batches, default {BATCHES}")  # fmt: skip
    parser.add_argument("--model", type=Path, metavar="MODEL", help="start weights, where the config needs some")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(lambda: _look(options, log), log=log, debug=options.debug)


def _look(options: argparse.Namespace, log: EventLog) -> None:
    data = shared.data_paths(options)
    config = load_train_config(options.config, warn=log.warning)
    module = startup.load("mrcnn.report.look", debug=options.debug)
    module.look(
        config,
        project=options.project,
        data=module.DataPaths(**data) if data else None,
        output=options.out,
        count=options.batches,
        model=None if options.model is None else str(options.model),
        log=log,
    )


def _positive(text: str) -> int:
    """Reads a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return int(text)
