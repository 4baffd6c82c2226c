"""Writes the model card of a trained model anew: README.md in the form of the Hugging Face Hub.

    python -m mrcnn card RUN [--texts card.yaml]

RUN is the output folder of a training, whose `best` checkpoint is described, or a model folder. A training writes the
card at its end. The file of texts has what only you know, such as `license` and `direct_use`; without --texts it is
RUN/card.yaml, if that is there.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mrcnn import events, startup
from mrcnn.events import EventLog


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="output folder of a training, or model folder")
    parser.add_argument("--texts", type=Path, metavar="YAML", help="your own texts; default RUN/card.yaml")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(arguments)
    log = events.make_log("rich")
    return events.run_main(lambda: _write(options, log), log=log, debug=options.debug)


def _write(options: argparse.Namespace, log: EventLog) -> None:
    module = startup.load("mrcnn.card.write", debug=options.debug)
    log.info(f"model card: {module.write_card(options.run, texts=options.texts, log=log)}")
