"""Explains an out-of-memory error of a training run: the batch, what to lower, and how to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mrcnn.config.train import TrainConfig
from mrcnn.errors import OutOfMemory, counted, is_out_of_memory
from mrcnn.train import checkpoint
from mrcnn.train.clock import Clock


class Batch(NamedTuple):
    """Size of a batch.

    Attributes:
        images: number of images, over all devices together.
        height: of the model input, pixels.
        width: of the model input, pixels.
    """

    images: int
    height: int
    width: int


@contextmanager
def explained(
    clock: Clock, *, config: TrainConfig, batch_at: Callable[[int, int], Batch], root: Path
) -> Iterator[None]:
    """Context that replaces an out-of-memory error of training or validation by `OutOfMemory` with advice.

    Args:
        clock: the run's position.
        config: `batch_size`, `input_size` and `model` are read.
        batch_at: returns the size of the training batch at (epoch, step), both from 0.
        root: folder of the checkpoints.

    Raises:
        OutOfMemory: TensorFlow or Python ran out of memory inside the context.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        is_validation = clock.step == clock.steps_per_epoch
        where = _validation(clock, config) if is_validation else _training(clock, config, batch_at)
        raise OutOfMemory(f"{where}; {_how_to_go_on(root)}") from error


def _training(clock: Clock, config: TrainConfig, batch_at: Callable[[int, int], Batch]) -> str:
    batch = batch_at(clock.epoch, clock.step)
    keys = [
        *_batch_key("train", config.batch_size.settled_train),
        _side_key(config),
        *([f"`model.roi_samples` ({config.model.roi_samples})"] if hasattr(config.model, "roi_samples") else []),
    ]
    return (
        f"out of memory at epoch {clock.epoch + 1} step {clock.step + 1} of {clock.steps_per_epoch}, a batch of "
        f"{counted(batch.images, 'image')} in model inputs of {batch.height}x{batch.width} pixels: "
        f"lower {_listed(keys)}"
    )


def _validation(clock: Clock, config: TrainConfig) -> str:
    keys = [*_batch_key("val", config.batch_size.val), _side_key(config)]
    return f"out of memory in the validation after epoch {clock.epoch + 1}: lower {_listed(keys)}"


def _batch_key(name: str, size: int) -> list[str]:
    return [f"`batch_size.{name}` ({size})"] if size > 1 else []


def _side_key(config: TrainConfig) -> str:
    return f"`input_size.max_dim` ({config.input_size.max_dim})"


def _listed(keys: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(keys[:-1]), keys[-1])))


def _how_to_go_on(root: Path) -> str:
    last = checkpoint.find_last(root)
    if last is None:
        return "no checkpoint is written yet, so start again"
    changed = "once its epoch is complete, with another `batch_size` too"
    if not checkpoint.is_stopped(last):
        changed = "also with another `batch_size`"
    return f"`--resume` goes on from {last}, {changed}"
