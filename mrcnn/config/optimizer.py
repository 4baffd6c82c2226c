"""Settings of a training's optimizer and of its learning rate."""

import itertools
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
    """The optimizer; its `weight_decay` acts besides `model.weight_decay`, the factor of the loss's L2 term."""

    name: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description="the optimizer's algorithm")
    momentum: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.9, description="momentum of sgd; beta_1 of adam and adamw"
    )
    nesterov: Flag = Field(default=False, description="Nesterov's form of momentum, sgd only")
    global_clipnorm: Positive | None = Field(
        default=5.0, description="largest global norm of the gradients, which are scaled down to it; null does not clip"
    )
    weight_decay: NotNegative = Field(
        default=0.0,
        description=(
            "the optimizer's weight decay, besides the L2 term of `model.weight_decay`, which should be 0 with it"
        ),
    )
    weight_decay_form: Literal["decoupled", "gradient"] = Field(
        default="decoupled",
        description=(
            "`decoupled`: the rate times `weight_decay` times a weight is subtracted from the weight; `gradient`: "
            "`weight_decay` times a weight is added to its gradient, after clipping and before momentum, as by torch's "
            "SGD and Adam (sgd and adam only)"
        ),
    )
    decay_norms: Flag = Field(
        default=True,
        description="whether `weight_decay` acts on gamma and beta of normalisations; detectron2's recipes: false",
    )
    decay_biases: Flag = Field(default=True, description="whether `weight_decay` acts on biases")
    accumulation_steps: PositiveInt = Field(
        default=1,
        description=(
            "gradient accumulation: steps whose gradients are averaged for one update of the weights, as if the batch "
            "were that many times as large; see [larger batches](#larger-batches-than-fit-into-memory). "
            "`lr_schedule` counts updates"
        ),
    )
    ema_momentum: Annotated[Number, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description=(
            "exponential moving average of the weights: each update keeps this share of the average, such as 0.999; "
            "validation and checkpoints use the average, training goes on with the weights themselves. null keeps no "
            "average; see [averaged weights](#averaged-weights)"
        ),
    )

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if self.weight_decay_form == "gradient" and self.name == "adamw":
            raise ValueError('`weight_decay_form` must be "decoupled" for adamw, got "gradient"; use adam')
        return self


class ScheduleConfig(Settings):
    """The learning-rate schedule: a linear warm-up, then constant, in steps, or along a cosine.

    With `reference_batch`, `lr` is the rate for that batch size and is scaled linearly to the batch size in use. Steps
    are updates of the weights.
    """

    name: Literal["constant", "step", "cosine"] = Field(
        default="constant", description="the learning-rate schedule after the warm-up"
    )
    warmup_steps: Index = Field(default=0, description="updates of the weights in the linear warm-up")
    warmup_epochs: NotNegative = Field(default=0.0, description="length of the warm-up in epochs; give one of the two")
    warmup_start_factor: PositiveFraction = Field(
        default=0.001, description="factor of the rate at the first update of the warm-up"
    )
    milestones: tuple[Positive, ...] = Field(
        default=(), description="step: epochs, increasing, after which the rate is multiplied by `gamma`"
    )
    milestone_steps: tuple[PositiveInt, ...] = Field(
        default=(),
        description="step: the milestones in updates of the weights, as in detectron2, instead of `milestones`",
    )
    gamma: PositiveFraction = Field(default=0.1, description="step: what the rate is multiplied by at a milestone")
    final_fraction: Fraction = Field(default=0.0, description="cosine: factor of the rate at the end")
    reference_batch: PositiveInt | None = Field(
        default=None,
        description=(
            "linear scaling rule: the batch size, over all devices and accumulated steps together, for which `lr` is "
            "meant; `lr` is multiplied by the batch size in use / `reference_batch`. null does not scale"
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
        epochs, steps = self.milestones, self.milestone_steps
        if epochs and steps:
            raise ValueError(f"give `milestones` or `milestone_steps`, not both, got {list(epochs)} and {list(steps)}")
        if self.name == "step" and not (epochs or steps):
            raise ValueError(
                '`milestones` must list at least one epoch when `name` is "step", got []; or give `milestone_steps`'
            )
        for key, values in (("milestones", epochs), ("milestone_steps", steps)):
            if any(late <= early for early, late in itertools.pairwise(values)):
                raise ValueError(f"`{key}` must increase, got {list(values)}")
        return self
