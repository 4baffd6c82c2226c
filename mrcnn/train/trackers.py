"""Sends a run's figures to experiment trackers: MLflow, Weights & Biases.

Their own Keras callbacks are not used: they begin a new run after a resume, count the epochs of it from 0, and an error
of theirs, such as a server that is away, ends the training.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import keras

from mrcnn import files, optional
from mrcnn.config.train import TrainConfig
from mrcnn.errors import UserError
from mrcnn.events import EventLog
from mrcnn.train.clock import Clock
from mrcnn.train.optional_files import OptionalFiles

FILE = "trackers.json"  # the trackers' names of the run, by tracker
MOST_BYTES = 2**16
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}  # reports to the makers of the packages

End = Literal["complete", "stopped"]


class Client(Protocol):
    """One run at a tracker."""

    def start(self, name: str, settings: Mapping[str, Any], *, earlier: str | None) -> str:
        """Begins a run.

        Args:
            name: of the run, for people.
            settings: dotted names and values.
            earlier: the tracker's name of the run that is resumed; None for a new one.

        Returns:
            The tracker's name of the run.
        """

    def place(self) -> str:
        """Describes where the run can be seen."""

    def log(self, figures: Mapping[str, float], *, epoch: int) -> None:
        """Sends the figures of an epoch, counted from 1."""

    def finish(self, end: End) -> None:
        """Ends the run."""


class Kind(NamedTuple):
    """A tracker: the module with its `make`, and its name in messages. Its extra has its name in the config."""

    module: str
    title: str


KINDS = {
    "mlflow": Kind("mrcnn.train.mlflow_tracker", "MLflow"),
    "wandb": Kind("mrcnn.train.wandb_tracker", "Weights & Biases"),
}


class Tracker(keras.callbacks.Callback):
    """Sends the history's row of each epoch; must come after the recorder."""

    def __init__(self, clock: Clock, client: Client, *, title: str, optional_files: OptionalFiles):
        """Stores the settings.

        Args:
            clock: holds the history.
            client: the run at the tracker.
            title: name of the tracker, for messages.
            optional_files: turns the tracker's errors into warnings.
        """
        super().__init__()
        self._clock, self._client, self._title, self._optional_files = clock, client, title, optional_files
        self._is_open = False

    def on_epoch_end(self, epoch, logs=None):
        """Sends the newest row."""
        if not (self._is_open and self._clock.rows):
            return
        with self._optional_files.attempting(f"sending figures to {self._title}"):
            self._client.log(_figures(self._clock.rows[-1]), epoch=epoch + 1)

    @contextmanager
    def running(self, path: Path, *, name: str, key: str, settings: Mapping[str, Any], log: EventLog) -> Iterator[None]:
        """Context of the training: begins the tracker's run and ends it.

        Args:
            path: the file with the trackers' names of this run; one that is there is of the run that is resumed.
            name: of the run, for people.
            key: of the tracker in that file.
            settings: dotted names and values.
            log: receives where the run can be seen.
        """
        with self._optional_files.attempting(f"starting {self._title}"):
            known = _read(path)
            known[key] = self._client.start(name, settings, earlier=known.get(key))
            self._is_open = True
            log.info(f"{self._title}: {self._client.place()}")
            with files.replaced(path) as partial:
                partial.write_text(json.dumps(known))
        end: End = "stopped"
        try:
            yield
            end = "complete"
        finally:
            if self._is_open:
                with self._optional_files.attempting(f"ending {self._title}"):
                    self._client.finish(end)


class Tracking(NamedTuple):
    """The trackers of a run by their names in the config, and their settings.

    Attributes:
        callbacks: the trackers that could be made.
        folder: the run's output folder.
        settings: what each tracker receives of the config.
        is_new: whether the run begins now; else it resumes the one that the folder's file names.
    """

    callbacks: Mapping[str, Tracker]
    folder: Path
    settings: Mapping[str, Any]
    is_new: bool

    @contextmanager
    def running(self, log: EventLog) -> Iterator[None]:
        """Context of the training, of all trackers."""
        path = self.folder / FILE
        if self.is_new:
            with suppress(OSError):  # what cannot be removed is reported when it is written
                path.unlink(missing_ok=True)
        name = self.folder.absolute().name
        with ExitStack() as stack:
            for key, tracker in self.callbacks.items():
                stack.enter_context(tracker.running(path, name=name, key=key, settings=self.settings, log=log))
            yield


def require(names: Sequence[str]) -> None:
    """Checks that the packages of trackers are installed.

    Raises:
        UserError: one is missing; the message holds the command that installs it.
    """
    for name in names:
        optional.require(name, purpose=f"`trackers` {name}")


def make(config: TrainConfig, clock: Clock, *, folder: Path, optional_files: OptionalFiles) -> Tracking:
    """Makes the trackers of a config; one that cannot be made is left out with a warning.

    Args:
        config: the settings.
        clock: holds the history.
        folder: the run's output folder.
        optional_files: turns the trackers' errors into warnings.
    """
    found: dict[str, Tracker] = {}
    for name in dict.fromkeys(config.trackers):
        kind = KINDS[name]
        with optional_files.attempting(f"starting {kind.title}"):
            for variable, value in QUIET.items():
                os.environ.setdefault(variable, value)  # read when the packages are imported
            module = optional.load(kind.module, extra=name, purpose=f"`trackers` {name}")
            found[name] = Tracker(clock, module.make(folder), title=kind.title, optional_files=optional_files)
    settings = {**config.to_settings(), "model": config.model.model_dump(mode="json")}
    return Tracking(found, folder, flattened(settings), is_new=clock.fraction == 0)


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flattens nested objects to dotted names; lists stay values."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else key
        found |= flattened(value, name) if isinstance(value, Mapping) and value else {name: value}
    return found


def _figures(row: Mapping[str, Any]) -> dict[str, float]:
    """Selects the finite numbers of a row but its epoch."""
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, (int, float)) and name != "epoch"}
    return {name: value for name, value in numbers.items() if math.isfinite(value)}


def _read(path: Path) -> dict[str, str]:
    """Reads the trackers' names of the run; empty where the file is missing or damaged."""
    try:
        found = json.loads(files.read_bytes(path, what="names of the trackers", most=MOST_BYTES))
    except (UserError, ValueError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
