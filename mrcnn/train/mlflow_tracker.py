"""Records a run in MLflow, at the place that MLflow's own settings name, such as `MLFLOW_TRACKING_URI`.

Needs the extra `mlflow`.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow

from mrcnn.train.trackers import End

LONGEST = 500  # characters of a setting: the least limit of MLflow's servers
AT_ONCE = 100  # settings in one request: MLflow's limit
STATUS = {"complete": "FINISHED", "stopped": "KILLED"}


class MlflowRun:
    """A run in MLflow; one that the caller's program has open already is used and left open."""

    def __init__(self):
        """Starts without a run."""
        self._run: Any = None
        self._is_own = False

    def start(self, name: str, settings: Mapping[str, Any], *, earlier: str | None) -> str:
        """Begins or continues a run; a continued one keeps its settings. See `trackers.Client`."""
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # not a line for each table of a new database
        self._run = mlflow.active_run()
        self._is_own = self._run is None
        if self._is_own:
            self._run = mlflow.start_run(run_id=earlier) if earlier else mlflow.start_run(run_name=name)
        if earlier is None:
            texts = [(key, str(value)[:LONGEST]) for key, value in settings.items()]
            for first in range(0, len(texts), AT_ONCE):
                mlflow.log_params(dict(texts[first : first + AT_ONCE]))
        return str(self._run.info.run_id)

    def place(self) -> str:
        """Describes where the run can be seen."""
        return f"run {self._run.info.run_id} in {mlflow.get_tracking_uri()}"

    def log(self, figures: Mapping[str, float], *, epoch: int) -> None:
        """Sends the figures of an epoch."""
        mlflow.log_metrics(dict(figures), step=epoch, run_id=self._run.info.run_id)

    def finish(self, end: End) -> None:
        """Ends the run, unless it is the caller's."""
        if self._is_own:
            mlflow.end_run(STATUS[end])


def make(folder: Path) -> MlflowRun:
    """Makes a run that is not begun; the folder is not used."""
    return MlflowRun()
