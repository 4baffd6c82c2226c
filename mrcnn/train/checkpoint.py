"""The checkpoints of a run on disk.

    <output>/00000000/config.json                 one folder per epoch, counted from 0
    <output>/00000000/model_weights/model.h5
    <output>/00000001/…
    <output>/00000001/training_state.h5           in the newest folder only: it is as large as the weights
    <output>/00000002.step000040/…                the newest when a run was stopped 40 steps into the epoch after
    <output>/best -> 00000000                     lowest validation loss, of equal ones the first
    <output>/last -> 00000001                     the newest

Writes and removals are atomic: a folder is written under a temporary name, flushed and renamed, and it is renamed again
before it is removed. After a kill, the run goes on from the newest folder with a training state; `repair` corrects the
links. Source: Supervisely Mask R-CNN plugin 5.16, which has no links, no training state, and leaves empty folders.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mrcnn import files
from mrcnn.errors import UserError
from mrcnn.model_folder import write
from mrcnn.model_folder.layout import BEST, CONFIG, LAST, WEIGHTS
from mrcnn.train import state as states
from mrcnn.train.state import TrainingState
from mrcnn.weights import hdf5

OWN = {CONFIG, WEIGHTS.parent.name, WEIGHTS.name, states.FILE}  # names of all files and folders in a checkpoint

_FOLDER = re.compile(r"(\d{8})(?:\.step(\d{6,}))?")
_WAITING = re.compile(r"\.(\d{8}(\.step\d{6,})?|best|last)\.(partial|old)")


def find_last(root: Path) -> Path | None:
    """Finds the checkpoint to resume from.

    Returns:
        The folder of the newest checkpoint with a training state, else the target of the link `last`, with all links
        resolved; None when neither exists.
    """
    found = [folder for folder in _folders(root) if _is_whole(folder) and (folder / states.FILE).is_file()]
    newest = max(found, key=_position, default=root / LAST)
    return newest.resolve() if newest.is_dir() else None


def holds_checkpoints(root: Path) -> bool:
    """Checks whether a folder holds a run's checkpoints; incomplete ones do not count."""
    return not all(map(_is_leftover, _folders(root)))


def check_place(root: Path, *, resume: bool) -> None:
    """Checks that a run can write its checkpoints into a folder.

    Args:
        root: the folder, which need not exist yet.
        resume: whether the folder may already hold checkpoints.

    Raises:
        UserError: the folder cannot be written, holds checkpoints without `resume`, or has a file or folder in the
            place of a link.
    """
    if not resume and holds_checkpoints(root):
        raise UserError(
            f"the output folder {root} holds a run's checkpoints; add --resume to go on with it, or give another "
            "--output"
        )
    files.check_writable(root, links=True)
    for link in (root / BEST, root / LAST):
        if link.exists() and not link.is_symlink():
            raise UserError(f"{link} must be a link that a run makes anew, it is none; move it away")


def repair(root: Path, *, best: int | None, keep: int | None = None) -> None:
    """Cleans up after a killed run: removes leftovers and corrects the links.

    Args:
        root: the run's output.
        best: the best complete epoch, from 0; None where there is none.
        keep: as for `CheckpointStore`.

    Raises:
        UserError: the folder cannot be written.
    """
    with files.writing("the links of the run", root):
        _clear(root)
        last = find_last(root)
        if last is not None and last.parent == root.resolve():
            files.replace_link(root / LAST, last.name)
        if best is not None and (root / f"{best:08d}").is_dir():
            files.replace_link(root / BEST, f"{best:08d}")
        elif not (root / BEST).exists():
            (root / BEST).unlink(missing_ok=True)
        if last is not None:
            _prune(root, newest=last.name, keep=keep)


class Averaged(Protocol):
    """Moving averages of the weights; see `averaging.Averages`, whose import would need Keras."""

    def applied(self) -> AbstractContextManager[None]:
        """Makes a context in which the model has the averages."""

    def weights(self) -> tuple[np.ndarray, ...]:
        """Copies the weights that training goes on with."""


class CheckpointStore:
    """Writes a run's checkpoints and removes those that are not to be kept."""

    def __init__(
        self,
        root: Path,
        *,
        layout: hdf5.Layout,
        config: Mapping[str, Any],
        keep: int | None = None,
        averages: Averaged | None = None,
    ):
        """Creates the run's output folder, or removes leftovers from an existing one.

        Args:
            root: the folder.
            layout: the model's variables under their names in the file.
            config: the content of each checkpoint's config.json.
            keep: how many of the newest epochs are kept besides the best one; None keeps all.
            averages: moving averages to write instead of the trained weights, which go into the training state then.

        Raises:
            UserError: the folder cannot be made or written.
        """
        self.root = root
        self.layout = layout
        self.config = config
        self.keep = keep
        self.averages = averages
        with files.writing("the output", root):
            root.mkdir(parents=True, exist_ok=True)
            _clear(root)

    def save_epoch(self, state: TrainingState, *, best: bool) -> Path:
        """Writes the checkpoint of the last complete epoch and updates the links.

        Args:
            state: the run's state after that epoch.
            best: whether the epoch is the best so far.

        Returns:
            The checkpoint's folder.

        Raises:
            UserError: the checkpoint cannot be written.
        """
        return self._save(f"{state.epoch - 1:08d}", state, best=best)

    def save_stopped(self, state: TrainingState) -> Path:
        """Writes a checkpoint in the middle of an epoch; the next checkpoint replaces it.

        Returns:
            The checkpoint's folder, or the newest existing one when that is at the same step.

        Raises:
            UserError: the checkpoint cannot be written.
        """
        last = find_last(self.root)
        name = f"{state.epoch:08d}.step{state.step:06d}"
        if last is not None and (last.name == name or (state.step == 0 and last.name == f"{state.epoch - 1:08d}")):
            return last
        return self._save(name, state, best=False)

    def _save(self, name: str, state: TrainingState, *, best: bool) -> Path:
        folder, partial = self.root / name, self.root / f".{name}.partial"
        try:
            with files.writing("the checkpoint", folder):
                self._write(partial, state)
                _remove(folder)  # a folder without a usable state, since `find_last` would have found it otherwise
                files.publish_folder(partial, folder)
                if best:
                    files.replace_link(self.root / BEST, name)
                files.replace_link(self.root / LAST, name)
                files.flush(self.root)
                _prune(self.root, newest=name, keep=self.keep)
        except UserError:
            shutil.rmtree(partial, ignore_errors=True)  # the disk may be full
            raise
        return folder

    def _write(self, folder: Path, state: TrainingState) -> None:
        files.remove(folder)
        with self.averages.applied() if self.averages else contextlib.nullcontext():
            write.write_folder(folder, self.config, self.layout)
        weights = self.averages.weights() if self.averages else ()
        states.write(folder / states.FILE, replace(state, weights=weights))


def size_of(folder: Path) -> int:
    """Adds up the sizes of a checkpoint's files, in bytes, without the temporary training state."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != states.FILE)


def is_stopped(folder: Path) -> bool:
    """Checks whether a checkpoint was written within an epoch, by a run that a signal stopped."""
    return "." in folder.name


def _folders(root: Path) -> list[Path]:
    """Lists the folders with a checkpoint's name, complete or not."""
    return [path for path in root.iterdir() if _FOLDER.fullmatch(path.name)] if root.is_dir() else []


def _is_whole(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()


def _is_leftover(folder: Path) -> bool:
    """Checks whether a folder is an incomplete checkpoint of a killed run, without weights."""
    is_folder = folder.is_dir() and not folder.is_symlink() and not (folder / WEIGHTS).exists()
    return is_folder and {path.name for path in folder.rglob("*")} <= OWN


def _position(folder: Path) -> tuple[int, int]:
    """Reads a checkpoint's position in the run from its name: complete epochs, further steps."""
    match = _FOLDER.fullmatch(folder.name)
    epoch, step = match.groups() if match else ("0", None)
    return (int(epoch) + 1, 0) if step is None else (int(epoch), int(step))


def _clear(root: Path) -> None:
    """Removes a killed run's leftovers: incomplete folders, and links under temporary names."""
    files.clear(root)
    for path in list(root.iterdir()):
        if _WAITING.fullmatch(path.name):
            files.remove(path)
    for folder in _folders(root):
        if _is_leftover(folder):
            _remove(folder)


def _prune(root: Path, *, newest: str, keep: int | None) -> None:
    """Removes the checkpoints that are not kept, and all training states but the newest."""
    linked = {os.readlink(root / link) for link in (BEST, LAST) if (root / link).is_symlink()}
    folders = sorted(filter(_is_whole, _folders(root)), key=_position)
    epochs = [folder.name for folder in folders if not is_stopped(folder)]
    kept = set(epochs if keep is None else epochs[-keep:]) | linked
    for folder in folders:
        if folder.name not in kept:
            _remove(folder)
        elif folder.name != newest:
            (folder / states.FILE).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Removes a checkpoint after renaming it, so that a partly removed one is recognised."""
    old = folder.with_name(f".{folder.name}.old")
    if folder.exists():
        files.remove(old)
        folder.rename(old)
    files.remove(old)
