"""Serves a trained model over HTTP: `mrcnn serve --model MODEL`, or `deploy.py serve`.

An option overrides an environment variable, a variable the deploy config, and the config the default.
Source: Supervisely Mask R-CNN plugin 5.16, `rest_inference_port` and `GPU_DEVICE`; it read the second without using it.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrcnn import optional, startup
from mrcnn.commands import arguments, paths, tasks
from mrcnn.config import errors, record_schema
from mrcnn.config.load import load_deploy_config
from mrcnn.config.serve import ServeConfig
from mrcnn.errors import UserError
from mrcnn.events import EventLog

HELP = "answer requests over HTTP; without --model for a task folder's model"
PORT_VARIABLES = ("rest_inference_port", "REST_INFERENCE_PORT")
DEVICE_VARIABLE = "GPU_DEVICE"

OPTIONS = {  # keys of `ServeConfig` that take one value each
    "host": str,
    "port": int,
    "device": str,
    "precision": str,
    "score_threshold": float,
    "workers": int,
    "batch_size": int,
    "batch_wait_ms": float,
    "max_pixels": int,
    "max_body_bytes": int,
    "api": str,
    "name": str,
    "drain_seconds": int,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the service; one that is not given is None."""
    arguments.add_model(parser, required=False, text=arguments.RUNNABLE)
    parser.add_argument("--config", type=Path, metavar="JSON", help="deploy config: thresholds, GPU, confidence tag")
    parser.add_argument("--allow-host", nargs="+", metavar="NAME", help=_help("allow_host"))
    arguments.add_tf32(parser)
    for name, kind in OPTIONS.items():
        default = ServeConfig.model_fields[name].default
        shown = "" if default is None else f"; default {default}"
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=kind, metavar=kind.__name__.upper(), help=_help(name) + shown)
    tasks.add_options(parser)


def serve(options: argparse.Namespace, log: EventLog) -> None:
    """Serves the model until a signal ends it."""
    optional.require("serve", purpose="the service")
    task = tasks.open_task(options, needs={"model": "--model"}, instead=("model",))
    options.model = task.path("model")
    if task.root and task.path("config").is_file():
        options.config = task.path("config")
    settings = read_settings(options, os.environ, warn=log.warning)
    paths.check_runnable(settings.model, classes=settings.classes)
    startup.load("mrcnn.serve.app", debug=options.debug).serve(settings, log=log)


def read_settings(
    options: argparse.Namespace, environment: Mapping[str, str], *, warn: Callable[[str], None] = lambda line: None
) -> ServeConfig:
    """Combines the options, the environment variables and the deploy config into settings.

    Args:
        options: the parsed options of `add_options`, with `model`, and `log_format`.
        environment: the environment variables; an empty one counts as not set.
        warn: called with one line for each warning.

    Raises:
        UserError: one line that names the option or variable, the value and the fix.
    """
    values = _variables(environment)
    given = {key: getattr(options, key, None) for key in ServeConfig.model_fields}
    values |= {key: value for key, value in given.items() if value is not None}
    values["model"] = str(options.model)
    if options.config is not None:
        values["deploy"] = load_deploy_config(options.config, warn=warn)
    return errors.check(ServeConfig, values)


def make_parser(prog: str | None = None) -> argparse.ArgumentParser:
    """Makes the parser of the command line, without reading it."""
    parser = argparse.ArgumentParser(prog=prog, description=f"{HELP[0].upper()}{HELP[1:]}.")
    add_options(parser)
    return parser


def main(given: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = make_parser(prog).parse_args(given)
    return tasks.run(lambda log: serve(options, log), options)


def _help(key: str) -> str:
    described = record_schema.without_markdown(ServeConfig.model_json_schema()["properties"][key])
    return described["description"].replace("`", "")


def _variables(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in PORT_VARIABLES:
        if environment.get(name) and "port" not in values:
            values["port"] = _port(name, environment[name])
    if environment.get(DEVICE_VARIABLE):
        values["device"] = environment[DEVICE_VARIABLE]
    return values


def _port(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise UserError(f"the environment variable {name} must be a port number 0..65535, got {errors.shown(text)}")
    return int(text)
