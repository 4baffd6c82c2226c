"""Stops a run whose loss is NaN or infinite, naming the batch's images."""

import math
from collections.abc import Callable, Mapping, Sequence

import keras

from mrcnn.errors import UserError
from mrcnn.events import Split
from mrcnn.train.clock import Clock

MOST_NAMES = 8


class InvalidLoss(UserError):
    """A loss is NaN or infinite."""

    def __init__(self, split: Split, losses: Mapping[str, float], *, where: str, names: Sequence[str]):
        """Composes the message from the losses, the place and the images.

        Args:
            split: `train` or `val`.
            losses: all losses of the batch by name.
            where: the place in the run, as text.
            names: names of the batch's images; the first 8 are shown.
        """
        wrong = ", ".join(f"{name} {value}" for name, value in losses.items() if not math.isfinite(value))
        shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else "")
        super().__init__(
            f"Invalid loss was encountered for {split}: {wrong} at {where}, images: {shown}. Train process will be "
            "terminated. Check these images and their objects; else lower `lr` or set `lr_schedule.warmup_steps`"
        )


def check(losses: Mapping[str, float], *, split: Split, where: str, names: Callable[[], Sequence[str]]) -> None:
    """Checks that all losses are finite.

    Args:
        losses: of one batch, by name.
        split: `train` or `val`.
        where: the place in the run, as text.
        names: returns the names of the batch's images; called only before raising.

    Raises:
        InvalidLoss: one is NaN or infinite.
    """
    if not all(map(math.isfinite, losses.values())):
        raise InvalidLoss(split, losses, where=where, names=names())


class InvalidLossStop(keras.callbacks.Callback):
    """Checks the losses after every training step."""

    def __init__(self, clock: Clock, *, names_at: Callable[[int, int], Sequence[str]]):
        """Stores the clock and the function that names images.

        Args:
            clock: the run's position; must be called before this callback.
            names_at: returns the names of a batch's images from its (epoch, step), both from 0.
        """
        super().__init__()
        self._clock, self._names_at = clock, names_at

    def on_train_batch_end(self, batch, logs=None):
        """Checks the losses of the newest batch.

        Raises:
            InvalidLoss: one is NaN or infinite.
        """
        epoch, step = self._clock.epoch, self._clock.step
        where = f"epoch {epoch + 1} step {step} of {self._clock.steps_per_epoch}"
        check(self._clock.batch, split="train", where=where, names=lambda: self._names_at(epoch, step - 1))
