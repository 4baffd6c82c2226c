"""Runs every step on one photograph: convert, train, evaluate, infer, export, verify, draw.

python -m mrcnn demo --output runs/demo
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mrcnn import events, optional, startup
from mrcnn.commands import arguments


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description="Train, evaluate, infer and export on the coins photograph."
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/demo"), help="folder of the results; default runs/demo"
    )
    arguments.add_log_format(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def parse(given: Sequence[str] | None = None, *, prog: str | None = None) -> argparse.Namespace:
    """Reads the command line."""
    return make_parser(prog).parse_args(given)


def demo(options: argparse.Namespace, log: events.EventLog) -> None:
    """Runs the demo that the options describe.

    Raises:
        UserError: the packages that draw pictures are missing, or a step fails.
    """
    optional.require("draw", purpose="the demo")
    startup.load("mrcnn.demo", debug=options.debug).main(options.output, log)


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = parse(arguments, prog=prog)
    log = events.make_log(options.log_format)
    return events.run_main(lambda: demo(options, log), log=log, debug=options.debug)
