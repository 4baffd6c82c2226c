"""Warns before a run whose checkpoints will not fit on the disk."""

import math
import shutil
from pathlib import Path

import keras

from mrcnn.config.train import TrainConfig
from mrcnn.events import EventLog
from mrcnn.train import plan

FEW = 2  # checkpoints that the advice keeps


def warn_if_too_small(network: keras.Model, config: TrainConfig, *, done: int, folder: Path, log: EventLog) -> None:
    """Warns when the disk is too small for the checkpoints of a run.

    Args:
        network: built, with the layers to train selected.
        config: the settings.
        done: epochs that are complete already, in a resumed run.
        folder: the output; it exists.
        log: receives the warning.
    """
    weights = _bytes(network.weights)
    state = plan.optimizer_copies(config.optimizer) * _bytes(network.trainable_variables)
    epochs, keep = config.epochs - done, config.checkpoints.keep
    needed, free = needed_bytes(weights, state, epochs=epochs, keep=keep), shutil.disk_usage(folder).free
    if needed <= free:
        return
    less = needed_bytes(weights, state, epochs=epochs, keep=FEW)
    advice = f"; with `checkpoints.keep` {FEW} they need {_gigabytes(less)}" if less < needed else ""
    log.warning(
        f"the checkpoints of {epochs} epochs need about {_gigabytes(needed)}, and the disk of {folder} has "
        f"{_gigabytes(free)} free{advice}"
    )


def needed_bytes(weights: int, state: int, *, epochs: int, keep: int | None) -> int:
    """Computes the most disk space that the checkpoints of a run have at one time.

    Args:
        weights: bytes of the model's weights.
        state: bytes of the training state; only the newest checkpoint has one.
        epochs: epochs to train.
        keep: how many of the newest checkpoints stay besides the best; None for all.

    Returns:
        Bytes of the checkpoints that stay and of the next one, which is written before an old one is removed.
    """
    most = epochs if keep is None else min(epochs, keep + 2)
    return most * weights + min(epochs, 2) * state


def _bytes(variables: list[keras.Variable]) -> int:
    return sum(math.prod(variable.shape) * plan.BYTES for variable in variables)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
