"""Estimates the remaining time of a training run from its timed steps and validations."""

import statistics
from collections import deque

from mrcnn.train.validation import is_due

SETTLED = 5  # timed steps before the first estimate; the step that builds the graph is not timed
RECENT = 100  # newest steps whose median time an estimate uses
VALIDATION_SHARE = 0.5  # assumed time of a validation image per time of a training image, until one is measured


class Forecast:
    """Estimates a run's remaining time from the measured times."""

    def __init__(self, *, steps_per_epoch: int, epochs: int, val_images: int, batch_size: int, validate_every: int = 1):
        """Stores the run's plan.

        Args:
            steps_per_epoch: optimizer steps of an epoch.
            epochs: epochs of the whole run.
            val_images: size of the validation set.
            batch_size: images of a training step.
            validate_every: epochs between two validations.
        """
        self._steps, self.epochs, self._every = steps_per_epoch, epochs, validate_every
        self._val_steps = val_images / batch_size
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._validation: float | None = None

    def add_step(self, seconds: float) -> None:
        """Records the time of a step, including its wait for data."""
        self._recent.append(seconds)

    def add_epoch_end(self, epoch: int, seconds: float) -> None:
        """Records the time from an epoch's last step to the start of the next epoch.

        Args:
            epoch: counted from 0; ignored if it was not validated.
            seconds: the time.
        """
        if is_due(epoch, every=self._every, epochs=self.epochs):
            self._validation = seconds

    def seconds_left(self, epoch: int, step: int) -> float | None:
        """Estimates the time from a step to the end of the run.

        Args:
            epoch: counted from 0.
            step: counted from 0 in this epoch.

        Returns:
            Seconds; None until `SETTLED` steps are timed.
        """
        if len(self._recent) < SETTLED:
            return None
        pace = statistics.median(self._recent)
        validation = self._validation
        if validation is None:
            validation = pace * VALIDATION_SHARE * self._val_steps
        due = sum(is_due(later, every=self._every, epochs=self.epochs) for later in range(epoch, self.epochs))
        return pace * ((self.epochs - epoch) * self._steps - step) + validation * due


def duration(seconds: float) -> str:
    """Formats a duration, e.g. `50 s`, `12 min`, `2 h 40 min` or `31 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 24 and minutes else f"{hours} h"
