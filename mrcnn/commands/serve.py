"""Serves a trained model over HTTP: `mrcnn serve --model MODEL`, or `deploy.py serve`."""

import argparse
import os
from collections.abc import Sequence

from mrcnn import optional, startup
from mrcnn.commands import serve_options, tasks
from mrcnn.events import EventLog

HELP = "answer requests over HTTP; without --model for a task folder's model"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the service."""
    serve_options.add_to(parser)
    tasks.add_options(parser)


def serve(options: argparse.Namespace, log: EventLog) -> None:
    """Serves the model until a signal ends it."""
    optional.require("serve", purpose="the service")
    task = tasks.open_task(options, instead=("model",))
    options.model = task.path("model")
    if task.root and task.path("config").is_file():
        options.config = task.path("config")
    settings = serve_options.read(options, os.environ, warn=log.warning)
    endpoints = startup.load("mrcnn.serve.endpoints", debug=options.debug)
    endpoints.serve(settings, log=log)


def main(arguments: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog=prog, description=f"{HELP[0].upper()}{HELP[1:]}.")
    add_options(parser)
    options = parser.parse_args(arguments)
    return tasks.run(lambda log: serve(options, log), options)
