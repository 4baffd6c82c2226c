"""The learning rate as a function of the optimizer step.

Every schedule is `base_lr` times a factor that depends on the step; warm-up is linear from a small share of `base_lr`
to the schedule's value where warm-up ends. So a schedule has no state: a resumed run needs only the step.
Source: detectron2's WarmupMultiStepLR and WarmupCosineLR give the same numbers; SGDR (2017) for the cosine.
"""

import math
from typing import Literal

import keras
from keras import ops

from mrcnn.structures import Tensor

ScheduleName = Literal["constant", "step", "cosine"]


def step_factor(step: Tensor, *, milestones: tuple[int, ...], gamma: float) -> Tensor:
    """Computes the factor of a stepped learning rate.

    Args:
        step: scalar or any shape, number of complete steps.
        milestones: in steps; the factor changes at the step that equals one.
        gamma: the factor of each milestone.

    Returns:
        `gamma` to the power of the number of reached milestones, shape of `step`; 1.0 without milestones.
    """
    factor = ops.ones_like(step)
    for milestone in milestones:
        factor = ops.where(step >= milestone, factor * gamma, factor)
    return factor


def cosine_factor(step: Tensor, *, total_steps: int, final_fraction: float) -> Tensor:
    """Computes the factor of a cosine learning rate.

    Args:
        step: scalar or any shape, number of complete steps.
        total_steps: the step at which the cosine ends.
        final_fraction: the factor there and after.

    Returns:
        Half a cosine from 1.0 at step 0 to `final_fraction` at `total_steps`, shape of `step`.
    """
    share = ops.minimum(step / max(total_steps, 1), 1.0)
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + ops.cos(math.pi * share))


@keras.saving.register_keras_serializable(package="mrcnn")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A constant, stepped or cosine learning rate with an optional linear warm-up."""

    def __init__(
        self,
        base_lr: float,
        *,
        name: ScheduleName = "constant",
        warmup_steps: int = 0,
        warmup_start_factor: float = 0.001,
        milestones: tuple[int, ...] = (),
        gamma: float = 0.1,
        total_steps: int = 1,
        final_fraction: float = 0.0,
    ):
        """Stores the settings; all times are in optimizer steps.

        Args:
            base_lr: the learning rate at factor 1.
            name: `constant`, `step` (uses `milestones`, `gamma`) or `cosine` (uses `total_steps`, `final_fraction`).
            warmup_steps: length of the linear warm-up; 0 for none.
            warmup_start_factor: the share of `base_lr` at step 0 of a warm-up.
            milestones: steps at which the rate is multiplied by `gamma`.
            gamma: the factor at each milestone.
            total_steps: the step at which the cosine ends.
            final_fraction: the share of `base_lr` there.

        Raises:
            ValueError: the name is unknown.
        """
        if name not in ("constant", "step", "cosine"):
            raise ValueError(f"the schedule must be constant, step or cosine, got {name!r}")
        self.base_lr = float(base_lr)
        self.name = name
        self.warmup_steps = int(warmup_steps)
        self.warmup_start_factor = float(warmup_start_factor)
        self.milestones = tuple(milestones)
        self.gamma = float(gamma)
        self.total_steps = int(total_steps)
        self.final_fraction = float(final_fraction)

    def __call__(self, step: Tensor) -> Tensor:
        """Computes the learning rate of the update that follows `step` updates.

        Args:
            step: scalar or any shape, number of complete updates.

        Returns:
            float32, shape of `step`.
        """
        step = ops.cast(step, "float32")
        factor = self._factor(step)
        if self.warmup_steps:
            share = step / self.warmup_steps
            end = self._factor(ops.cast(self.warmup_steps, "float32"))
            rising = self.warmup_start_factor * (1.0 - share) + end * share
            factor = ops.where(step < self.warmup_steps, rising, factor)
        return self.base_lr * factor

    def get_config(self):
        """Collects the constructor's arguments."""
        return {
            "base_lr": self.base_lr,
            "name": self.name,
            "warmup_steps": self.warmup_steps,
            "warmup_start_factor": self.warmup_start_factor,
            "milestones": list(self.milestones),
            "gamma": self.gamma,
            "total_steps": self.total_steps,
            "final_fraction": self.final_fraction,
        }

    def _factor(self, step: Tensor) -> Tensor:
        if self.name == "step":
            return step_factor(step, milestones=self.milestones, gamma=self.gamma)
        if self.name == "cosine":
            return cosine_factor(step, total_steps=self.total_steps, final_fraction=self.final_fraction)
        return ops.ones_like(step)
