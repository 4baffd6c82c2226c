"""Records a run in Weights & Biases, by its own settings, such as `WANDB_MODE=offline` and `WANDB_PROJECT`.

Needs the extra `wandb`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from mrcnn.train.trackers import End

PROJECT = "mrcnn"  # unless WANDB_PROJECT names another
EXIT_CODES = {"complete": 0, "stopped": 1}


class WandbRun:
    """A run in Weights & Biases; its files are in the folder `wandb` of the run's output."""

    def __init__(self, folder: Path):
        """Starts without a run.

        Args:
            folder: the run's output.
        """
        self._folder = folder
        self._run: Any = None

    def start(self, name: str, settings: Mapping[str, Any], *, earlier: str | None) -> str:
        """Begins or continues a run. See `trackers.Client`.

        The terminal's text is not recorded: it holds file names of the data.
        """
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            name=name,
            id=earlier,
            resume="allow" if earlier else None,
            config=dict(settings),
            dir=str(self._folder),
            save_code=False,
            settings=wandb.Settings(console="off", silent=True),
        )
        return str(self._run.id)

    def place(self) -> str:
        """Describes where the run can be seen."""
        if self._run.offline:
            return f"offline; send it later by `wandb sync {Path(self._run.dir).parent}`"
        return str(self._run.url)

    def log(self, figures: Mapping[str, float], *, epoch: int) -> None:
        """Sends the figures of an epoch."""
        self._run.log(dict(figures), step=epoch)

    def finish(self, end: End) -> None:
        """Ends the run, and waits until all is sent."""
        self._run.finish(exit_code=EXIT_CODES[end])


def make(folder: Path) -> WandbRun:
    """Makes a run that is not begun.

    Args:
        folder: the run's output.
    """
    return WandbRun(folder)
