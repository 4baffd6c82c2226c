"""Explains an out-of-memory error of a training run: the batch, what to lower, and how to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mrcnn.config.train import TrainConfig
from mrcnn.errors import OutOfMemory, UserError, counted, is_out_of_memory
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
    """Context that replaces an out-of-memory error of a training run by `OutOfMemory` with advice.

    Args:
        clock: the run's position.
        config: `batch_size`, `input_size` and `model` are read.
        batch_at: returns the size of the training batch at (epoch, step), both from 0.
        root: folder of the checkpoints.

    Raises:
        OutOfMemory: the back end or Python ran out of memory inside the context.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if clock.step == clock.steps_per_epoch:
            where, split = f"in the validation or a callback after epoch {clock.epoch + 1}", "val"
        else:
            where, split = _training_step(clock, batch_at), "train"
        raise OutOfMemory(f"out of memory {where}: {_advice(config, root, split=split)}") from error


def _training_step(clock: Clock, batch_at: Callable[[int, int], Batch]) -> str:
    batch = batch_at(clock.epoch, clock.step)
    return (
        f"at epoch {clock.epoch + 1} step {clock.step + 1} of {clock.steps_per_epoch}, a batch of "
        f"{counted(batch.images, 'image')} in model inputs of {batch.height}x{batch.width} pixels"
    )


def _advice(config: TrainConfig, root: Path, *, split: str) -> str:
    """Lists the settings to lower and how to go on: of them, a resumed run may change the batch size only."""
    size = getattr(config.batch_size, split)
    batch = [f"`batch_size.{split}` ({size})"] if size > 1 else []
    others = [f"`input_size.max_dim` ({config.input_size.max_dim})"]
    if split == "train" and hasattr(config.model, "roi_samples"):
        others.append(f"`model.roi_samples` ({config.model.roi_samples})")
    last = checkpoint.find_last(root)
    if last is None:
        return f"lower {_listed([*batch, *others])}; no checkpoint is written yet, so start again"
    if not batch or (split == "train" and checkpoint.is_stopped(last)):
        return f"lower {_listed([*batch, *others])} in a new run, which may start from {last} (`continue_training`)"
    return (
        f"lower {batch[0]}, and `--resume` goes on from {last}; {_listed(others)} can be lowered in a new run only, "
        "which may start from there (`continue_training`)"
    )


def _listed(keys: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(keys[:-1]), keys[-1])))
