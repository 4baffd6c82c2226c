"""Deploys a trained model: `deploy.py export --model DIR --out DIR` or `deploy.py serve --model DIR`; see `--help`."""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow starts to talk

from mrcnn import events
from mrcnn.events import EventLog
from mrcnn.export import saved_model
from mrcnn.infer import arguments
from mrcnn.serve import endpoints
from mrcnn.serve import options as serve_options


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; `run` is the function that does what it asks for."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto")
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser = argparse.ArgumentParser(description="Deploy a trained model.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser("export", parents=[common], help="write a SavedModel and prove that it is equal")
    command.set_defaults(run=export)
    arguments.add_model(command, required=True)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder, e.g. models/coins/1")
    command.add_argument("--images", type=Path, metavar="DIR", help="to compare on; default: bundled photographs")
    command.add_argument("--score-threshold", type=float, metavar="0..1", help="instead of the model's own")
    command.add_argument("--device", default="cpu", metavar="cpu|N", help="where to compare; the result runs anywhere")
    command = commands.add_parser("serve", parents=[common], help="answer requests over HTTP")
    command.set_defaults(run=serve)
    serve_options.add_to(command)
    return parser.parse_args(given)


def export(options: argparse.Namespace, log: EventLog) -> None:
    """Writes the SavedModel that the options describe."""
    saved_model.export(
        options.model,
        options.out,
        log=log,
        classes=options.classes,
        input_size=options.input_size,
        images=options.images,
        score_threshold=options.score_threshold,
        device=options.device,
    )


def serve(options: argparse.Namespace, log: EventLog) -> None:
    """Serves the model until a signal ends it."""
    endpoints.serve(serve_options.read(options, os.environ, warn=log.warning), log=log)


if __name__ == "__main__":
    options = parse()
    log = events.make_log(options.log_format)
    sys.exit(events.run_main(lambda: options.run(options, log), log=log, debug=options.debug))
