"""The task folder: default paths of inputs and outputs that the command line omits.

    <root>/task_config.json    the config of the run
    <root>/data/<project>/     the one project
    <root>/model/              the model folder to start from or to apply
    <root>/results/            a training's checkpoints, or the project with the detections
    <root>/tmp/                the log, if the environment variable `DEBUG_LOG_TO_FILE` is set

Source: Supervisely task contract, release 5.16; there the root was fixed, and scripts had no options.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TextIO

from mrcnn import events
from mrcnn.commands import arguments
from mrcnn.errors import UserError
from mrcnn.events import EventLog

ROOT = Path("/sly_task_data")
ROOT_VARIABLE = "SLY_TASK_DIR"
DEBUG_VARIABLE = "SLY_DEBUG"
FILE_VARIABLE = "DEBUG_LOG_TO_FILE"
PLACES = {"config": "task_config.json", "project": "data", "model": "model", "output": "results"}
LOGS = "tmp"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that the scripts have in common."""
    parser.add_argument("--task-dir", type=Path, metavar="DIR",
                        help=f"folder of what is not named; also ${ROOT_VARIABLE}; default {ROOT}")  # fmt: skip
    add_log_options(parser)


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the log and of error messages."""
    arguments.add_log_format(parser)
    parser.add_argument("--debug", action="store_true", help=f"show the traceback of an error; also ${DEBUG_VARIABLE}")


@dataclass(frozen=True)
class Task:
    """The paths of a run: those given as options, the others inside a task folder.

    Attributes:
        given: path of each option by its name, a key of `PLACES`; None for an option that was not given.
        root: the task folder; None for a run without one.
    """

    given: Mapping[str, Path | None]
    root: Path | None

    def path(self, name: str) -> Path:
        """Finds the path of one of `PLACES`.

        Args:
            name: the option's name, a key of `PLACES`.

        Raises:
            UserError: the option was not given, and the run has no task folder.
        """
        path = self.given.get(name)
        if path is not None:
            return path
        if self.root is None:
            raise _missing([f"--{name}"])
        return self.root / PLACES[name]


def open_task(
    options: argparse.Namespace,
    *,
    needs: Mapping[str, str],
    instead: Sequence[str],
    environment: Mapping[str, str] = os.environ,
) -> Task:
    """Finds the paths of a run.

    Args:
        options: the parsed command line. With `--task-dir`, or without any option of `instead`, the run has a task
            folder.
        needs: how a message names each option that a run without a task folder needs, by its key of `PLACES`.
        instead: names of the options of which any one makes a task folder unnecessary.
        environment: the environment variables.

    Raises:
        UserError: the task folder does not exist, or a run without one lacks options; the message names all that it
            needs.
    """
    given = {name: getattr(options, name, None) for name in PLACES}
    if options.task_dir is None and any(getattr(options, name) is not None for name in instead):
        if missing := [text for name, text in needs.items() if given[name] is None]:
            raise _missing(missing)
        return Task(given, None)
    root, every = _root(options, environment), _listed([*needs.values()])
    if root.is_dir():
        return Task(given, root)
    if options.task_dir is None and not environment.get(ROOT_VARIABLE):
        raise UserError(
            f"give {every}: see --help; or a task folder by --task-dir or ${ROOT_VARIABLE}, since there is no {root}"
        )
    raise UserError(
        f"there is no task folder {root}; give another by --task-dir or ${ROOT_VARIABLE}, or do without it by "
        f"{every}: see --help"
    )


def run(
    main: Callable[[EventLog], object], options: argparse.Namespace, *, environment: Mapping[str, str] = os.environ
) -> int:
    """Runs a command with the log that its options and the environment select.

    Args:
        main: the command's work, called with the log.
        options: the parsed options, with `log_format` and `debug`.
        environment: the environment variables.

    Returns:
        The exit code; see `events.run_main`.
    """
    debug, code = options.debug or bool(environment.get(DEBUG_VARIABLE)), events.EXIT_ERROR
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:  # a log file on a full disk fails when closed
        file, problem = None, None
        if environment.get(FILE_VARIABLE):
            try:
                file = stack.enter_context(_open_log(_root(options, environment)))
            except OSError as error:
                problem = f"${FILE_VARIABLE} has no effect: {error.filename}: {error.strerror}"
        log = events.make_log(options.log_format, file=file, environment=environment)
        if problem:
            log.warning(problem)
        code = events.run_main(lambda: main(log), log=log, debug=debug)
    return code


def leave(code: int) -> NoReturn:
    """Ends the process with an exit code.

    After an error (code 1) it skips Python's shutdown, where a thread that still prepares data would cause an abort.
    """
    if code == 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _missing(options: Sequence[str]) -> UserError:
    many = len(options) > 1
    return UserError(
        f"{_listed(options)} {'are' if many else 'is'} missing; give {'them' if many else 'it'}, or --task-dir for the "
        "usual places"
    )


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _root(options: argparse.Namespace, environment: Mapping[str, str]) -> Path:
    return getattr(options, "task_dir", None) or Path(environment.get(ROOT_VARIABLE) or ROOT)


def _open_log(root: Path) -> TextIO:
    folder = root / LOGS
    folder.mkdir(exist_ok=True)  # but not its parents: a run without a task folder has no root
    script = Path(sys.argv[0]).stem
    return (folder / f"{script}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl").open("a", encoding="utf-8")
