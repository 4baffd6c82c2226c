"""Settings of a training's optimizer and of its learning rate; a schedule's milestones are epochs."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mrcnn.config.base import (
    Flag,
    Fraction,
    Index,
    NotNegative,
    Number,
    Positive,
    PositiveFraction,
    PositiveInt,
    Settings,
)


class OptimizerConfig(Settings):
    """How gradients move the weights; `weight_decay` here is decoupled, apart from the L2 term of the loss."""

    name: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description="rule that moves the weights")
    momentum: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.9, description="of sgd; the first decay rate of the others"
    )
    nesterov: Flag = Field(default=False, description="Nesterov's form of momentum, sgd only")
    global_clipnorm: Positive | None = Field(
        default=5.0, description="largest length of all gradients together; null does not clip"
    )
    weight_decay: NotNegative = Field(default=0.0, description="decoupled decay, apart from `model.weight_decay`")


class ScheduleConfig(Settings):
    """How the learning rate changes: a linear warm-up, then constant, in steps, or along a cosine.

    With `reference_batch` `lr` is meant for a batch of so many images, and grows in proportion to the batch in use.
    """

    name: Literal["constant", "step", "cosine"] = Field(
        default="constant", description="course of the learning rate after warm-up"
    )
    warmup_steps: Index = Field(default=0, description="steps in which the rate rises in a line")
    warmup_epochs: NotNegative = Field(default=0.0, description="the same in epochs; give one of the two")
    warmup_start_factor: PositiveFraction = Field(
        default=0.001, description="share of the rate at the first warm-up step"
    )
    milestones: tuple[Positive, ...] = Field(
        default=(), description="step: epochs, increasing, after which the rate is multiplied by `gamma`"
    )
    gamma: PositiveFraction = Field(default=0.1, description="step: what the rate is multiplied by at a milestone")
    final_fraction: Fraction = Field(default=0.0, description="cosine: share of the rate at the end")
    reference_batch: PositiveInt | None = Field(
        default=None,
        description=(
            "`lr` is for a batch of so many images, over all devices together, and grows in proportion to the "
            "batch in use; null takes `lr` as it is"
        ),
    )

    @model_validator(mode="after")
    def _check_warmup(self) -> Self:
        if self.warmup_steps and self.warmup_epochs:
            raise ValueError(
                f"give `warmup_steps` or `warmup_epochs`, not both, got {self.warmup_steps} and {self.warmup_epochs:g}"
            )
        return self

    @model_validator(mode="after")
    def _check_milestones(self) -> Self:
        if self.name == "step" and not self.milestones:
            raise ValueError('`milestones` must list at least one epoch when `name` is "step", got []')
        if any(late <= early for early, late in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ValueError(f"`milestones` must increase, got {list(self.milestones)}")
        return self
