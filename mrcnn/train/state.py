"""Stores a run's training state, which resuming needs besides the weights, in an HDF5 file.

Layout: the attribute `state` holds the JSON fields of `TrainingState`; `optimizer/0000`, `metrics/0000`, … are the
variables of the optimizer (with its step counter, momentum and loss scale) and of the running means, in their order;
`weights/0000`, … are the trained weights where the checkpoint's model has their moving averages.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import h5py
import numpy as np

from mrcnn.config import errors
from mrcnn.errors import UserError
from mrcnn.weights import checked, new_file

FILE = "training_state.h5"
VERSION = 1
WHAT = "training state"
COUNTS = ("epoch", "step", "steps_per_epoch", "train_images", "seed")
GROUPS = ("optimizer", "metrics", "weights")  # fields that are arrays
NEWER = ("val_images", "train_names", "val_names")  # counts that states of older versions lack


class DataFacts(TypedDict):
    """What identifies a run's data, by the names of `TrainingState`."""

    steps_per_epoch: int
    train_images: int
    val_images: int
    train_names: int
    val_names: int


@dataclass(frozen=True)
class TrainingState:
    """State of a run between two optimizer steps.

    Attributes:
        epoch: number of complete epochs, validation and checkpoint included.
        step: number of complete steps of the next epoch; `steps_per_epoch` when only its validation is missing.
        steps_per_epoch: steps of each of the run's epochs.
        train_images: images in the run's training set.
        seed: the run's seed.
        rows: the history, one row per complete epoch.
        optimizer: the optimizer's variables.
        metrics: the running means of the epoch in progress; empty at its start.
        weights: the trained weights, in the order of the model's trainable variables; empty unless the checkpoint's
            model has their moving averages.
        val_images: images in the run's validation set; None in a state of an older version.
        train_names: checksum of the training images' names; None as above.
        val_names: the same of the validation images.
        back_ends: names of the Keras back ends that trained the run, in order, each change once; empty as above.
    """

    epoch: int
    step: int
    steps_per_epoch: int
    train_images: int
    seed: int
    rows: tuple[dict[str, Any], ...] = ()
    optimizer: tuple[np.ndarray, ...] = field(default=(), repr=False)
    metrics: tuple[np.ndarray, ...] = field(default=(), repr=False)
    weights: tuple[np.ndarray, ...] = field(default=(), repr=False)
    val_images: int | None = None
    train_names: int | None = None
    val_names: int | None = None
    back_ends: tuple[str, ...] = ()


def values_of(variables: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """Copies Keras variables to arrays; under a strategy, the values of all devices combined."""
    return tuple(np.array(variable.numpy()) for variable in variables)


def put_back(variables: Sequence[Any], values: Sequence[np.ndarray], *, what: str) -> None:
    """Copies values into variables.

    Args:
        variables: Keras variables to assign.
        values: one array per variable, of its shape.
        what: the kind of variables, for the error.

    Raises:
        UserError: number or shapes of values and variables differ; no variable is changed then.
    """
    stored = [tuple(value.shape) for value in values]
    wanted = [tuple(variable.shape) for variable in variables]
    if stored != wanted:
        raise UserError(
            f"the training state holds {len(stored)} {what} variables of other shapes than this run's {len(wanted)}; "
            "resume with the config of the run that stopped"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def write(path: Path, state: TrainingState) -> None:
    """Writes the state to a file; the caller must make the write atomic.

    Raises:
        OSError: the file cannot be written.
    """
    fields = {key: value for key, value in asdict(state).items() if key not in GROUPS}
    with new_file.create(path) as handle:
        # a data set, because the history can be larger than an attribute's limit of 64 kB
        handle["state"] = np.bytes_(json.dumps({"version": VERSION, **fields}).encode())
        for group in GROUPS:
            for index, value in enumerate(getattr(state, group)):
                handle[f"{group}/{index:04d}"] = value


def read(path: Path) -> TrainingState:
    """Reads a state that `write` wrote.

    Raises:
        UserError: the file is missing, damaged or of another version.
    """
    if not path.is_file():
        raise UserError(
            f"there is no training state {path}; the run cannot be resumed, start anew with another --output"
        )
    with checked.open_file(path, what=WHAT) as handle, checked.damaged(path, what=WHAT):
        fields = json.loads(bytes(handle["state"][()]))
        optimizer, metrics, weights = (_arrays(handle, group, path) for group in GROUPS)
    return TrainingState(**_checked(fields, path), optimizer=optimizer, metrics=metrics, weights=weights)


def _checked(fields: Any, path: Path) -> dict[str, Any]:
    """Checks the JSON fields and extracts those of `TrainingState`, without its arrays.

    Raises:
        UserError: a field is missing, of another type or of another version.
    """
    if not isinstance(fields, dict):
        raise UserError(f"the {WHAT} {path} is damaged: its fields must be an object; give another --output")
    if fields.get("version") != VERSION:
        raise UserError(
            f"the {WHAT} {path} has version {errors.shown(fields.get('version'))}, expected {VERSION}; start anew with "
            "another --output"
        )
    newer = {name: fields[name] for name in NEWER if fields.get(name) is not None}
    for name in (*COUNTS, *newer):
        if type(fields.get(name)) is not int or fields[name] < 0:
            raise UserError(
                f"the {WHAT} {path} is damaged: `{name}` must be a whole number, got {errors.shown(fields.get(name))}; "
                "give another --output"
            )
    rows = fields.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and _are_numbers(row.values()) for row in rows):
        raise UserError(
            f"the {WHAT} {path} is damaged: `rows` must be a list of objects with numbers; give another --output"
        )
    back_ends = fields.get("back_ends", [])  # states of older versions lack them
    if not isinstance(back_ends, list) or not all(isinstance(name, str) for name in back_ends):
        raise UserError(
            f"the {WHAT} {path} is damaged: `back_ends` must be a list of names, got {errors.shown(back_ends)}; give "
            "another --output"
        )
    counts = {name: fields[name] for name in COUNTS}
    return {**counts, **newer, "rows": tuple(rows), "back_ends": tuple(back_ends)}


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(value is None or type(value) in (int, float) for value in values)


def _arrays(handle: h5py.File, group: str, path: Path) -> tuple[np.ndarray, ...]:
    values = [handle[group][name] for name in sorted(handle[group])] if group in handle else []
    for value in values:
        if value.dtype.kind not in "biuf":
            raise UserError(f"the {WHAT} {path} is damaged: {value.name} must hold numbers; give another --output")
    return tuple(value[()] for value in values)
