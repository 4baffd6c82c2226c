"""The folder of downloaded weight files: `~/.keras/models`, or `models` under `KERAS_HOME`, as Keras has it."""

import os
from pathlib import Path


def folder() -> Path:
    """Returns the folder, which need not exist."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"


def place(url: str) -> Path:
    """Returns the path of a downloaded file, which need not exist."""
    return folder() / url.rpartition("/")[2]
