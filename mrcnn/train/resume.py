"""Reads a stopped run's newest checkpoint and checks that the run can be resumed."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrcnn.config import errors
from mrcnn.config.input_size import InputSize
from mrcnn.config.load import merge
from mrcnn.config.train import TrainConfig
from mrcnn.data.sources.source import Samples
from mrcnn.errors import UserError
from mrcnn.model_folder.record import Record
from mrcnn.model_folder.start_model import StartModel
from mrcnn.train import checkpoint
from mrcnn.train import state as states
from mrcnn.train.state import DataFacts, TrainingState
from mrcnn.weights import apply, hdf5

MAY_CHANGE = (
    "epochs", "gpu_devices", "jit_compile", "tf32", "checkpoints", "max_image_mb", "batch_size", "energy_country",
    "trackers",
)  # fmt: skip
NEWER: Mapping[str, Any] = {"image_range": None}  # keys of `model` that older runs lack, with the values they used
ABSENT = "(not set)"


@dataclass(frozen=True)
class Resumed:
    """A stopped run that is resumed.

    Attributes:
        weights: the file with the run's weights.
        class_title_to_idx: class number by title.
        state: the run's training state.
        epochs: the run's planned number of epochs; None where its config has no such number.
    """

    weights: Path
    class_title_to_idx: Mapping[str, int]
    state: TrainingState
    epochs: int | None = None


@dataclass(frozen=True)
class Stopped:
    """The newest checkpoint of a stopped run.

    Attributes:
        folder: its folder.
        record: its config.json.
    """

    folder: Path
    record: Record


def find(root: Path) -> Stopped:
    """Finds the newest checkpoint of a stopped run, and reads its config.json.

    Args:
        root: the run's output folder.

    Raises:
        UserError: there is no checkpoint, or its config.json cannot be read.
    """
    folder = checkpoint.find_last(root)
    if folder is None:
        if checkpoint.holds_checkpoints(root):
            raise UserError(f"nothing to resume: no checkpoint in {root} has a {states.FILE}; give another --output")
        raise UserError(f"nothing to resume: {root} holds no checkpoint; start without --resume")
    return Stopped(folder, Record.read(folder / checkpoint.CONFIG))


def load(stopped: Stopped, *, settings: Mapping[str, Any], model: Mapping[str, Any]) -> Resumed:
    """Reads the state of a stopped run and compares its config.

    Args:
        stopped: from `find`.
        settings: the merged train config now; may differ from the run's in `MAY_CHANGE`.
        model: the settings of the architecture now.

    Raises:
        UserError: the state cannot be read, or the config differs; the message lists the keys.
    """
    stored, network = (_object(stopped.record, key) for key in ("settings", "model"))
    # keys added after the run count as their defaults; before `input_size.shape` was added, model inputs were squares
    first = TrainConfig(input_size=InputSize(shape="square")).to_settings()
    before = {**merge(first, stored), **{key: settings.get(key) for key in MAY_CHANGE}}
    known = {key: value for key, value in NEWER.items() if key in model}
    changed = differences(before, merge(first, settings)) + differences({**known, **network}, model, path="model")
    if changed:
        raise UserError(
            f"--resume needs the config of the stopped run; changed are {'; '.join(changed)}. Change them back, or "
            f"start a new run with another --output (only {', '.join(MAY_CHANGE)} may change)"
        )
    weights, state = stopped.folder / checkpoint.WEIGHTS, states.read(stopped.folder / states.FILE)
    _check_batch(stored, settings, state)
    return Resumed(
        weights=weights,
        class_title_to_idx=StartModel(weights, stopped.record).class_title_to_idx(),
        state=state,
        epochs=stored.get("epochs") if type(stored.get("epochs")) is int else None,
    )


def _check_batch(stored: Mapping[str, Any], settings: Mapping[str, Any], state: TrainingState) -> None:
    """Refuses another size of the training batches within an epoch, whose images are divided into batches already."""
    before, now = (_train_batch(values.get("batch_size")) for values in (stored, settings))
    if state.step and before != now:
        raise UserError(
            f"--resume cannot finish the epoch it stopped in with another `batch_size.train`: {before} -> {now}; "
            "change it back for this epoch"
        )


def _train_batch(sizes: Any) -> Any:
    return sizes.get("train") if isinstance(sizes, Mapping) else None


def _object(record: Record, key: str) -> Mapping[str, Any]:
    value = record.content.get(key, {})
    if not isinstance(value, Mapping):
        raise UserError(
            f"{record.path} is damaged: `{key}` must be an object, got {errors.shown(value)}; start "
            "anew with another --output"
        )
    return value


def load_weights(layout: hdf5.Layout, resumed: Resumed) -> None:
    """Loads the stopped run's weights into the model.

    Raises:
        UserError: the file lacks some of the model's weights.
    """
    report = apply.load_into(layout, resumed.weights)
    if report.missing:
        raise UserError(
            f"{resumed.weights} lacks {apply.abridge(report.missing)}: the checkpoint is not complete, start anew"
        )


def differences(before: Any, now: Any, *, path: str = "") -> list[str]:
    """Lists the differences of two JSON values as `path.key: old -> new`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = dict.fromkeys((*before, *now))
        return [
            line
            for key in keys
            for line in differences(
                before.get(key, ABSENT), now.get(key, ABSENT), path=f"{path}.{key}" if path else str(key)
            )
        ]
    return [] if before == now else [f"`{path}`: {before} -> {now}"]


def facts(samples: Samples, *, steps_per_epoch: int, factors: Iterable[float] | None = None) -> DataFacts:
    """Collects what identifies a run's data.

    Args:
        samples: the training and the validation set.
        steps_per_epoch: steps of an epoch.
        factors: how often each training image comes in an epoch on average; None where each comes once.

    Returns:
        Counts, and checksums of the image names without the data set's name: in order and with the images' sizes and
        factors for the training set, since an epoch's order depends on them; sorted for the validation set.
    """
    repeated = [""] * len(samples.train) if factors is None else [f" {factor:.9g}" for factor in factors]
    train, val = ([sample.name.partition("/")[2] for sample in chosen] for chosen in (samples.train, samples.val))
    sizes = [sample.size_hw for sample in samples.train]
    return {
        "steps_per_epoch": steps_per_epoch,
        "train_images": len(train),
        "val_images": len(val),
        "train_names": _checksum("{} {}{}".format(*parts) for parts in zip(train, sizes, repeated, strict=True)),
        "val_names": _checksum(sorted(val)),
    }


def check_data(before: TrainingState, now: TrainingState) -> list[str]:
    """Compares the data with that of the stopped run.

    Args:
        before: the stopped run's state.
        now: a state with the `facts` of the data now.

    Returns:
        Warnings where the data differs but the run can go on: the training set between two epochs, the validation set
        always. What a state of an older version lacks is not compared.

    Raises:
        UserError: the run stopped in the middle of an epoch that now has other training images or steps.
    """
    warnings = []
    change = _training_change(before, now)
    if change and before.step:
        raise UserError(
            f"--resume cannot finish the epoch it stopped in: {change}; use the same images and number of devices"
        )
    if change:
        warnings.append(f"the training set, the batch size or the number of devices changed: {change}")
    if before.val_images not in (None, now.val_images):
        warnings.append(_validation_change(f"{before.val_images} images before, now {now.val_images}"))
    elif before.val_names not in (None, now.val_names):
        warnings.append(_validation_change(f"{now.val_images} images before and now, but not the same ones"))
    return warnings


def back_ends(before: TrainingState, *, now: str) -> tuple[str, ...]:
    """Adds this process's back end to those of a run.

    Args:
        before: the stopped run's state.
        now: name of the back end.

    Returns:
        The names in order, without repetitions in a row.
    """
    return before.back_ends if before.back_ends[-1:] == (now,) else (*before.back_ends, now)


def back_end_line(names: Sequence[str]) -> str | None:
    """Describes a run on several back ends, whose rounding differs; None for a run on one.

    Args:
        names: of the back ends in order, from `back_ends`.
    """
    if len(names) < 2:
        return None
    first, *between, last = names
    went = "".join(f", went on with {name}" for name in between)
    return (
        f"the run was started on {first}{went} and goes on with {last}: its results are no longer bit for bit those of "
        "an uninterrupted run"
    )


def _training_change(before: TrainingState, now: TrainingState) -> str | None:
    if (before.steps_per_epoch, before.train_images) != (now.steps_per_epoch, now.train_images):
        return (
            f"{before.train_images} training images in {before.steps_per_epoch} steps an epoch before, now "
            f"{now.train_images} in {now.steps_per_epoch}"
        )
    if before.train_names not in (None, now.train_names):
        return f"{now.train_images} training images before and now, but not the same ones in the same order"
    return None


def _validation_change(change: str) -> str:
    return (
        f"the validation set changed: {change}; the `val_` figures of the epochs before, by which `best` was chosen, "
        "are of the former set"
    )


def _checksum(names: Iterable[str]) -> int:
    return zlib.crc32("\n".join(names).encode("utf-8", "surrogatepass"))
