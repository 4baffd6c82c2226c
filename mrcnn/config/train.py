"""The train config: the original's keys with their types and defaults, and the optional keys that were added.

Every added key's default keeps the original's behaviour. A schedule's milestones are epochs. Sizes are pixels of the
model input.
Source: Supervisely Mask R-CNN plugin 5.16, training schema.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidatorFunctionWrapHandler, field_validator, model_validator

from mrcnn.config import errors
from mrcnn.config.augmentation import RGB_ONLY, AugmenterConfig
from mrcnn.config.base import (
    Flag,
    Fraction,
    Index,
    Name,
    NotNegative,
    Number,
    Positive,
    PositiveFraction,
    PositiveInt,
    PrecisionName,
    Settings,
)
from mrcnn.config.model import ModelConfig

Monitor = Literal["val_loss", "val_box_ap", "val_mask_ap"]

SIZE_STEP = 64  # the input is halved six times on the way to P6


class BatchSize(Settings):
    """Images per device and step of training, and per step of validation."""

    train: PositiveInt = 1
    val: PositiveInt = 1


class InputSize(Settings):
    """The network sees `max_dim` x `max_dim`; `min_dim` above `max_dim` has no effect, as in the original.

    Other keys are kept: the original's `width` and `height` placeholders end up in the model folder.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    min_dim: PositiveInt = 256
    max_dim: Annotated[PositiveInt, Field(multiple_of=SIZE_STEP)] = 256


class DatasetTags(Settings):
    """The names of the image tags that choose the two sets; both may be the same tag."""

    train: Name = "train"
    val: Name = "val"


class SpecialClasses(Settings):
    """The class with index 0, and the class whose objects are regions to ignore."""

    background: Name = "bg"
    neutral: Name | None = None

    @model_validator(mode="after")
    def _check_different(self) -> Self:
        if self.neutral == self.background:
            raise ValueError(f"`neutral` must differ from `background`, got {errors.shown(self.neutral)} for both")
        return self


class OptimizerConfig(Settings):
    """How gradients move the weights; `weight_decay` here is decoupled, apart from the L2 term of the loss."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9
    nesterov: Flag = False
    global_clipnorm: Positive | None = 5.0
    weight_decay: NotNegative = 0.0


class ScheduleConfig(Settings):
    """How the learning rate changes: a linear warm-up, then constant, in steps, or along a cosine.

    With `reference_batch` `lr` is meant for a batch of so many images, and grows in proportion to the batch in use.
    """

    name: Literal["constant", "step", "cosine"] = "constant"
    warmup_steps: Index = 0
    warmup_epochs: NotNegative = 0.0
    warmup_start_factor: PositiveFraction = 0.001
    milestones: tuple[Positive, ...] = ()
    gamma: PositiveFraction = 0.1
    final_fraction: Fraction = 0.0
    reference_batch: PositiveInt | None = None

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


class CopyPasteConfig(Settings):
    """How often objects of another training image are laid over an image, and which share of them."""

    probability: PositiveFraction = 0.5
    object_share: PositiveFraction = 0.5


class EarlyStoppingConfig(Settings):
    """Ends the run when `monitor` did not get better by `min_delta` for `patience` epochs.

    `patience` null waits for the last third of the validated epochs so far, and for 5 of them at least.
    """

    patience: PositiveInt | None = 10
    monitor: Monitor = "val_loss"
    min_delta: NotNegative = 0.0


class CheckpointsConfig(Settings):
    """How many of the newest checkpoints stay on disk beside the best one, null for all, and what the best is best in.

    `monitor` null follows `early_stopping.monitor`, and `val_loss` without early stopping.
    """

    keep: PositiveInt | None = None
    monitor: Monitor | None = None


class ValidationConfig(Settings):
    """After which epochs the validation set is measured, the last one always, and whether AP is besides the losses."""

    ap: Flag = True
    every_epochs: PositiveInt = 1


class TrainConfig(Settings):
    """All settings of a training run."""

    lr: Positive = 0.001
    epochs: PositiveInt = 2
    batch_size: BatchSize = BatchSize()
    input_size: InputSize = InputSize()
    gpu_devices: Annotated[tuple[Index, ...], Field(min_length=1)] = (0,)
    train_layers: Literal["all", "3+", "4+", "5+", "heads"] = "all"
    dataset_tags: DatasetTags = DatasetTags()
    special_classes: SpecialClasses = SpecialClasses()
    weights_init_type: Literal["transfer_learning", "continue_training", "random", "imagenet"] = "transfer_learning"

    imagenet_weights: Name | None = None
    model: ModelConfig = ModelConfig()
    precision: PrecisionName = "float32"
    optimizer: OptimizerConfig = OptimizerConfig()
    lr_schedule: ScheduleConfig = ScheduleConfig()
    augmentation: tuple[AugmenterConfig, ...] = ()
    copy_paste: CopyPasteConfig | None = None
    seed: Index = 0
    max_skipped_share: Fraction = 0.5
    max_image_mb: PositiveInt = 2048
    early_stopping: EarlyStoppingConfig | None = None
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    validation: ValidationConfig = ValidationConfig()

    @field_validator("model", mode="wrap")
    @classmethod
    def _remember_what_was_given(cls, value: Any, check: ValidatorFunctionWrapHandler) -> ModelConfig:
        """Leaves in the model's `model_fields_set` what the user gave, without what its `compatibility` implied."""
        model = check(value)
        return ModelConfig.model_construct(set(value), **dict(model)) if isinstance(value, Mapping) else model

    @field_validator("gpu_devices", mode="before")
    @classmethod
    def _check_devices_given(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and not value:
            raise ValueError("must list at least one device, got []; use [0], on a machine without a GPU too")
        return value

    @model_validator(mode="after")
    def _check_what_belongs_together(self) -> Self:
        for key, rule in (("early_stopping", self.early_stopping), ("checkpoints", self.checkpoints)):
            if rule and rule.monitor not in (None, "val_loss") and not self.validation.ap:
                raise ValueError(f"`{key}.monitor` {rule.monitor} needs `validation.ap` true")
        if self.model.channels != 3:
            for position, augmenter in enumerate(self.augmentation):
                for name in set(augmenter.names()) & set(RGB_ONLY):
                    raise ValueError(
                        f"`augmentation[{position}]` {name} needs 3 `model.channels`, got {self.model.channels}"
                    )
        return self

    @property
    def given_model(self) -> dict[str, Any]:
        """The keys of `model` that the user gave, with their values."""
        if "model" not in self.model_fields_set:
            return {}
        return self.model.model_dump(mode="json", include=self.model.model_fields_set)

    @property
    def best_monitor(self) -> str:
        """The column of the history that makes a checkpoint the best."""
        stopping = self.early_stopping.monitor if self.early_stopping else "val_loss"
        return self.checkpoints.monitor or stopping

    def to_settings(self) -> dict[str, Any]:
        """Returns what a model folder's config.json holds as `settings`: the merged config without `model`.

        The original's keys are as the original wrote them, `input_size.width` and `height` included (0 where the user
        gave none), so that its readers find them; loading the result again gives the same config, but for `model`.
        """
        settings = self.model_dump(mode="json", exclude={"model"})
        settings["input_size"] = {"width": 0, "height": 0, **settings["input_size"]}
        if settings["special_classes"]["neutral"] is None:
            del settings["special_classes"]["neutral"]
        return settings
