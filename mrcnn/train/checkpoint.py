"""The checkpoints of a run on disk.

    <output>/00000000/config.json                 one folder per epoch, counted from 0
    <output>/00000000/model_weights/model.h5
    <output>/00000001/…
    <output>/00000001/training_state.h5           in the newest folder only: it is as large as the weights
    <output>/00000001.step000040/…                the newest when a run was stopped 40 steps into the epoch after
    <output>/best -> 00000000                     lowest validation loss, of equal ones the first
    <output>/last -> 00000001                     where --resume goes on

A folder is written beside its place, flushed and renamed, so it is there whole or not at all.
Source: Supervisely Mask R-CNN plugin 5.16; new are the links, the training state and that no empty folder stays behind.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mrcnn.errors import UserError
from mrcnn.train import state as states
from mrcnn.train.state import TrainingState
from mrcnn.weights import hdf5

CONFIG = "config.json"
WEIGHTS = Path("model_weights") / "model.h5"
BEST = "best"
LAST = "last"

_EPOCH = re.compile(r"\d{8}")
_STOPPED = re.compile(r"\d{8}\.step\d{6,}")
_WAITING = re.compile(r"\.(\d{8}(\.step\d{6,})?|best|last)\.(partial|old)")


def find_last(root: Path) -> Path | None:
    """Gives the folder that `last` leads to; None when the run has no checkpoint."""
    link = root / LAST
    return link.resolve() if link.is_dir() else None


def holds_checkpoints(root: Path) -> bool:
    """Tells whether a folder is already some run's output."""
    if not root.is_dir():
        return False
    return any(_EPOCH.fullmatch(path.name) or _STOPPED.fullmatch(path.name) for path in root.iterdir())


class CheckpointStore:
    """Writes a run's checkpoints and keeps its folder tidy."""

    def __init__(self, root: Path, *, layout: hdf5.Layout, config: Mapping[str, Any], keep: int | None = None):
        """Takes over the run's output folder, which is made when it is not there.

        Args:
            root: the folder.
            layout: the model's variables under their names in the file.
            config: the content of each checkpoint's config.json.
            keep: how many of the newest epochs stay beside the best one; None keeps all.
        """
        self.root = root
        self.layout = layout
        self.config = config
        self.keep = keep
        root.mkdir(parents=True, exist_ok=True)
        for path in self._matching(_WAITING):  # of a process that was killed while it wrote
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def save_epoch(self, state: TrainingState, *, best: bool) -> Path:
        """Writes the checkpoint of the epoch that `state.epoch` counts last, and moves the links.

        Returns:
            Its folder.

        Raises:
            UserError: it cannot be written.
        """
        return self._save(f"{state.epoch - 1:08d}", state, best=best)

    def save_stopped(self, state: TrainingState) -> Path:
        """Writes a checkpoint in the middle of an epoch; it is removed when that epoch has its own.

        Returns:
            Its folder, or the newest one when that is at the same step.

        Raises:
            UserError: it cannot be written.
        """
        last = find_last(self.root)
        name = f"{state.epoch:08d}.step{state.step:06d}"
        if last is not None and (last.name == name or (state.step == 0 and last.name == f"{state.epoch - 1:08d}")):
            return last
        return self._save(name, state, best=False)

    def _save(self, name: str, state: TrainingState, *, best: bool) -> Path:
        before = find_last(self.root)
        try:
            folder = self._write(name, state)
            if best:
                _link(self.root / BEST, name)
            _link(self.root / LAST, name)
            _flush(self.root)
            if before is not None and before != folder.resolve():
                (before / states.FILE).unlink(missing_ok=True)
            self._prune()
        except OSError as error:
            raise UserError(f"cannot write the checkpoint {self.root / name}: {error.strerror or error}") from error
        return folder

    def _write(self, name: str, state: TrainingState) -> Path:
        partial, folder = self.root / f".{name}.partial", self.root / name
        shutil.rmtree(partial, ignore_errors=True)
        (partial / WEIGHTS).parent.mkdir(parents=True)
        (partial / CONFIG).write_text(json.dumps(self.config, indent=4, ensure_ascii=False), encoding="utf-8")
        hdf5.write_file(partial / WEIGHTS, self.layout)
        states.write(partial / states.FILE, state)
        for path in (partial / CONFIG, partial / states.FILE, partial):
            _flush(path)
        if folder.exists():  # a killed run had written it but not yet pointed `last` to it
            old = self.root / f".{name}.old"
            folder.rename(old)
            partial.rename(folder)
            shutil.rmtree(old)
        else:
            partial.rename(folder)
        return folder

    def _prune(self) -> None:
        linked = {os.readlink(self.root / link) for link in (BEST, LAST) if (self.root / link).is_symlink()}
        epochs = sorted(path.name for path in self._matching(_EPOCH))
        kept = set(epochs if self.keep is None else epochs[-self.keep :]) | linked
        for path in (*self._matching(_EPOCH), *self._matching(_STOPPED)):
            if path.name not in kept:
                shutil.rmtree(path)

    def _matching(self, pattern: re.Pattern[str]) -> Iterator[Path]:
        return (path for path in list(self.root.iterdir()) if pattern.fullmatch(path.name))


def size_of(folder: Path) -> int:
    """Adds up the sizes of the files of a checkpoint that stay, in bytes; the training state does not."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != states.FILE)


def _link(link: Path, target: str) -> None:
    """Makes a relative link, or lets it lead elsewhere in one step."""
    partial = link.with_name(f".{link.name}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target, target_is_directory=True)
    os.replace(partial, link)


def _flush(path: Path) -> None:
    """Makes a file or folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
