"""Estimates how long a training run still takes, from the steps and validations it has made."""

import statistics
from collections import deque

from mrcnn.train.validation import is_due

SETTLED = 5  # steps that are timed before the first estimate; the one that builds the graph is not among them
RECENT = 100  # steps that an estimate goes by
VALIDATION_SHARE = 0.5  # of a training image's time that a validation image takes, until one is measured


class Forecast:
    """Adds up what is known of a run's speed."""

    def __init__(self, *, steps_per_epoch: int, epochs: int, val_images: int, batch_size: int, validate_every: int = 1):
        """Plans the run.

        Args:
            steps_per_epoch: optimizer steps.
            epochs: of the whole run.
            val_images: size of the validation set.
            batch_size: images of a training step.
            validate_every: epochs between two validations.
        """
        self._steps, self.epochs, self._every = steps_per_epoch, epochs, validate_every
        self._val_steps = val_images / batch_size
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._validation: float | None = None

    def add_step(self, seconds: float) -> None:
        """Notes the time of a step, its wait for data included."""
        self._recent.append(seconds)

    def add_epoch_end(self, epoch: int, seconds: float) -> None:
        """Notes the time between the last step of an epoch, counted from 0, and the next epoch."""
        if is_due(epoch, every=self._every, epochs=self.epochs):
            self._validation = seconds

    def seconds_left(self, epoch: int, step: int) -> float | None:
        """Returns the seconds from `step` of `epoch`, both from 0, to the end; None until enough steps are timed."""
        if len(self._recent) < SETTLED:
            return None
        pace = statistics.median(self._recent)
        validation = self._validation
        if validation is None:
            validation = pace * VALIDATION_SHARE * self._val_steps
        due = sum(is_due(later, every=self._every, epochs=self.epochs) for later in range(epoch, self.epochs))
        return pace * ((self.epochs - epoch) * self._steps - step) + validation * due


def duration(seconds: float) -> str:
    """Returns a time as a person says it: `50 s`, `12 min`, `2 h 40 min`, `31 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 and minutes else f"{hours} h"
