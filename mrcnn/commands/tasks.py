"""The task folder: where a script finds and leaves what its command line does not name.

    <root>/task_config.json    the config of the run
    <root>/data/<project>/     the one project
    <root>/model/              the model folder to start from or to apply
    <root>/results/            a training's checkpoints, or the project with what was found
    <root>/tmp/                the log, where it is asked for

Source: Supervisely task contract, release 5.16; there the root was fixed, and scripts took no options.
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
    """Adds the options of what a script tells."""
    parser.add_argument("--log-format", choices=("auto", "rich", "json"), default="auto")
    parser.add_argument("--debug", action="store_true", help=f"show the traceback of an error; also ${DEBUG_VARIABLE}")


@dataclass(frozen=True)
class Task:
    """The paths of a run: those that were given, and for the others a task folder, if it has one."""

    given: Mapping[str, Path | None]
    root: Path | None

    def path(self, name: str, *, instead: str | None = None) -> Path:
        """Finds the path of one of `PLACES`.

        Args:
            name: of the option and the place.
            instead: another option that would do, for the error.

        Raises:
            UserError: it was not given, and the run has no task folder.
        """
        path = self.given.get(name)
        if path is not None:
            return path
        if self.root is None:
            other = f" or --{instead}" if instead else ""
            raise UserError(f"--{name} is missing; give it{other}, or --task-dir for the usual places")
        return self.root / PLACES[name]


def open_task(
    options: argparse.Namespace, *, instead: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Task:
    """Finds the paths of a run.

    Args:
        options: of the command line. With `--task-dir`, or without any option of `instead`, the run has a task folder.
        instead: the options that make do without one.
        environment: the variables.

    Raises:
        UserError: the task folder does not exist; says what to give.
    """
    given = {name: getattr(options, name, None) for name in PLACES}
    if options.task_dir is None and any(getattr(options, name) is not None for name in instead):
        return Task(given, None)
    root = _root(options, environment)
    if not root.is_dir():
        needed = ", ".join(f"--{name}" for name in instead)
        raise UserError(
            f"there is no task folder {root}; give another by --task-dir or ${ROOT_VARIABLE}, or do without it by "
            f"{needed}: see --help"
        )
    return Task(given, root)


def run(
    main: Callable[[EventLog], object], options: argparse.Namespace, *, environment: Mapping[str, str] = os.environ
) -> int:
    """Runs a script's work with the log and the exit code that its options and the environment ask for.

    Returns:
        See `events.run_main`.
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
    """Ends the process; after an error at once, since a thread that still prepares data would turn it into an abort."""
    if code == 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _root(options: argparse.Namespace, environment: Mapping[str, str]) -> Path:
    return getattr(options, "task_dir", None) or Path(environment.get(ROOT_VARIABLE) or ROOT)


def _open_log(root: Path) -> TextIO:
    folder = root / LOGS
    folder.mkdir(exist_ok=True)  # not the root: a run with paths of its own has none
    script = Path(sys.argv[0]).stem
    return (folder / f"{script}_{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl").open("a", encoding="utf-8")
