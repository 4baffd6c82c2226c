"""Deploys a trained model: `deploy.py export --model DIR --out DIR` or `deploy.py serve --model DIR`; see `--help`."""

import argparse
import os
import sys
from pathlib import Path

from mrcnn import startup, tasks
from mrcnn.events import EventLog
from mrcnn.model_folder import arguments
from mrcnn.serve import options as serve_options


def parse(given: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line; `run` is the function that does what it asks for. Without a command that is `serve`."""
    given = sys.argv[1:] if given is None else given
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given = ["serve", *given]
    parser = argparse.ArgumentParser(description="Deploy a trained model.", epilog="Without a command: serve.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    command = commands.add_parser("export", help="write a SavedModel and prove that it is equal")
    command.set_defaults(run=export)
    arguments.add_model(command, required=True)
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder, e.g. models/coins/1")
    command.add_argument("--images", type=Path, metavar="DIR", help="to compare on; default: bundled photographs")
    command.add_argument("--score-threshold", type=float, metavar="0..1", help="instead of the model's own")
    command.add_argument("--device", default="cpu", metavar="cpu|N", help="where to compare; the result runs anywhere")
    tasks.add_log_options(command)
    command = commands.add_parser("serve", help="answer requests over HTTP; without --model for a task folder's model")
    command.set_defaults(run=serve)
    serve_options.add_to(command)
    tasks.add_options(command)
    return parser.parse_args(given)


def export(options: argparse.Namespace, log: EventLog) -> None:
    """Writes the SavedModel that the options describe."""
    told = {name: getattr(options, name) for name in ("classes", "input_size", "images", "score_threshold", "device")}
    saved_model = startup.load("mrcnn.export.saved_model", debug=options.debug)
    saved_model.export(options.model, options.out, log=log, **told)


def serve(options: argparse.Namespace, log: EventLog) -> None:
    """Serves the model until a signal ends it."""
    task = tasks.open_task(options, instead=("model",))
    options.model = task.path("model")
    if task.root and task.path("config").is_file():
        options.config = task.path("config")
    settings = serve_options.read(options, os.environ, warn=log.warning)
    endpoints = startup.load("mrcnn.serve.endpoints", debug=options.debug)
    endpoints.serve(settings, log=log)


if __name__ == "__main__":
    options = parse()
    sys.exit(tasks.run(lambda log: options.run(options, log), options))
