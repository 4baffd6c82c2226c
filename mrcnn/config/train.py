"""The train config: the original's keys, types and defaults, and added optional keys.

Sizes are pixels of the model input.
Source: Supervisely Mask R-CNN plugin 5.16, training schema.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from mrcnn.config import errors
from mrcnn.config.augmentation import RGB_ONLY, AugmenterConfig
from mrcnn.config.base import (
    AUTO,
    LARGEST_INT,
    Flag,
    Fraction,
    Index,
    Name,
    Positive,
    PositiveFraction,
    PositiveInt,
    PrecisionName,
    Settings,
    Text,
)
from mrcnn.config.families.matterport import MatterportConfig
from mrcnn.config.family import FAMILIES, record_of
from mrcnn.config.given import UserSettings
from mrcnn.config.input_size import InputSize
from mrcnn.config.model import DEFAULT_FAMILY, MASK_POINTS, ModelConfig
from mrcnn.config.monitoring import (
    CheckpointsConfig,
    EarlyStoppingConfig,
    EnergyCountry,
    Trackers,
    ValidationConfig,
)
from mrcnn.config.optimizer import OptimizerConfig, ScheduleConfig
from mrcnn.config.sampling import SamplingConfig


def _layer_words() -> list[Any]:
    """Lists the values of `train_layers` of all families, each once, those of the default family first."""
    return list(dict.fromkeys(word for record in FAMILIES.values() for word in record.TRAIN_LAYERS))


def _positive_or_auto(value: Any) -> Any:
    if value == AUTO:
        return value
    if type(value) is not int:
        raise ValueError(f'must be an integer or "{AUTO}", got {errors.shown(value)}')
    if value < 1:
        raise ValueError(f"must be greater than or equal to 1, got {value}")
    if value > LARGEST_INT:
        raise ValueError(f"must be less than or equal to {LARGEST_INT}, got {value}")
    return value


PositiveOrAuto = Annotated[
    int | Literal["auto"],
    PlainValidator(_positive_or_auto),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": LARGEST_INT}, {"type": "string", "enum": [AUTO]}]}
    ),
]


class BatchSize(Settings):
    """Images per device and step of training, and per step of validation."""

    train: PositiveOrAuto = Field(
        default=1,
        description=(
            "images per step **and device**. `auto`: the largest power of two that fits into memory, no more than "
            "there are training images, at most 64 on a GPU and 4 on a CPU, which a larger batch makes no faster. It "
            "is found by trials before the training, logged, held by checkpoints and kept by a resumed run. `lr` grows "
            "with it only if `lr_schedule.reference_batch` is set"
        ),
    )
    val: PositiveInt = Field(default=1, description="images per validation step")

    @property
    def settled_train(self) -> int:
        """The size of a training batch.

        Raises:
            ValueError: it is still `auto`, see `train.auto_batch.settle`.
        """
        if self.train == AUTO:
            raise ValueError("`batch_size.train` is auto: replace it by a number first")
        return int(self.train)


class DatasetTags(Settings):
    """The image tags that select the training and the validation set."""

    train: Name = Field(default="train", description="images with this tag train")
    val: Name = Field(
        default="val", description="images with this tag validate; the same tag as `train` is allowed, with a warning"
    )


class SpecialClasses(Settings):
    """The class with index 0, and the class whose objects are regions to ignore."""

    background: Name = Field(default="bg", description="the class with index 0; its objects are not learnt")
    neutral: Name | None = Field(
        default=None,
        description=(
            "objects of this class are regions to ignore: neither object nor background, and their pixels "
            "train no mask; see [projects](projects.md#shapes)"
        ),
    )

    stuff: tuple[Name, ...] = Field(
        default=(),
        description=(
            "classes whose regions have no instances, such as sky and road, for the head `semantic` of "
            "`model.extra_heads`: each pixel has one of them or belongs to a thing "
            "([semantic maps](heads.md#semantic-maps-and-panoptic-results))"
        ),
    )

    @model_validator(mode="after")
    def _check_different(self) -> Self:
        if self.neutral == self.background:
            raise ValueError(f"`neutral` must differ from `background`, got {errors.shown(self.neutral)} for both")
        for index, title in enumerate(self.stuff):
            if title in (self.background, self.neutral, *self.stuff[:index]):
                raise ValueError(f"`stuff` must list other classes, each once, got {errors.shown(title)} again")
        return self


class CopyPasteConfig(Settings):
    """Copy-paste augmentation: objects of another training image are pasted onto an image."""

    probability: PositiveFraction = Field(default=0.5, description="share of the images that get objects")
    object_share: PositiveFraction = Field(
        default=0.5, description="probability of each object of the other image; one is copied at least"
    )


class ScaleJitterConfig(Settings):
    """Large-scale jitter: scales a training image at random, then cuts or pads it."""

    min_scale: Positive = Field(
        default=0.1, description="least factor; at 1 the whole image just fits into the square of `max_dim`"
    )
    max_scale: Positive = Field(default=2.0, description="largest factor, not below `min_scale`")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.max_scale < self.min_scale:
            raise ValueError(f"`max_scale` must be at least `min_scale` {self.min_scale:g}, got {self.max_scale:g}")
        return self


class TrainConfig(UserSettings):
    """All settings of a training run."""

    lr: Positive = Field(default=0.001, description="learning rate, before the schedule")
    epochs: PositiveInt = Field(
        default=2,
        description=(
            "passes over the training images; what is left over by the division into batches is left out, "
            "other images each time"
        ),
    )
    batch_size: BatchSize = BatchSize()
    input_size: InputSize = InputSize()
    gpu_devices: Annotated[tuple[Index, ...], Field(min_length=1)] = Field(
        default=(0,),
        description=(
            "which GPUs; more than one train together on a batch each. Without a GPU the CPU is used; a "
            "config that lists GPUs gets a warning then"
        ),
    )
    train_layers: Text = Field(
        default="all",
        json_schema_extra=lambda schema: schema.update(enum=_layer_words()),
        description=(
            "which layers learn: everything, ResNet from that stage up with the heads, or the heads (FPN, "
            "RPN, box and mask head)"
        ),
    )
    dataset_tags: DatasetTags = DatasetTags()
    special_classes: SpecialClasses = SpecialClasses()
    weights_init_type: Literal["transfer_learning", "continue_training", "random", "imagenet", "auto"] = Field(
        default="transfer_learning",
        description=(
            "Mask R-CNN weights without the layers that depend on the classes; all of them, with the same "
            "classes; none; a ResNet trained on ImageNet; `auto`: transfer_learning where start weights are given, "
            "else imagenet. The last three are new"
        ),
    )
    imagenet_weights: Name | None = Field(
        default=None,
        description=(
            "path of a ResNet file of Keras, torchvision, detectron2 or Caffe2, for `weights_init_type` imagenet; null "
            "downloads that of the family's code base"
        ),
    )
    model: SerializeAsAny[ModelConfig] = MatterportConfig()
    precision: PrecisionName = Field(
        default="float32",
        description=(
            "number format of the layers; boxes and losses stay float32. `auto` is mixed_bfloat16 where the "
            "CPU has bfloat16 instructions, or every GPU in use has compute capability 8.0 or more, else "
            "float32; the log says which and why, and checkpoints hold it. A resumed run keeps what it began "
            "with"
        ),
    )
    tf32: Flag | None = Field(
        default=None,
        description=(
            "whether products of float32 on a GPU may be TF32, which is faster and has 10 binary places instead of 23; "
            "null keeps the back end's setting, which on TensorFlow is on unless the program switched it off; the log "
            "says which. Without effect on a CPU"
        ),
    )
    jit_compile: Flag = Field(
        default=False,
        description=(
            "compile the training step with XLA, once for each input shape; on one device, and no NVIDIA Blackwell "
            "GPU. On a CPU it was slower. JAX always compiles, PyTorch refuses it"
        ),
    )
    allowed_mask_classes: Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None,
        description=(
            "titles of the classes whose objects train masks; boxes train on all classes. With one mask for all "
            "classes (`model.class_agnostic_masks`, `model.mask_head` hourglass20), the others get masks too "
            "([mask heads](heads.md)). null: all classes"
        ),
    )
    optimizer: OptimizerConfig = OptimizerConfig()
    lr_schedule: ScheduleConfig = ScheduleConfig()
    augmentation: tuple[AugmenterConfig, ...] = Field(
        default=(), description="changes made to training images; see below"
    )
    sampling: SamplingConfig | None = Field(
        default=None,
        description=(
            "repeats images of rare classes ([rare classes](data.md#rare-classes)); an epoch has more images then, the "
            "same number each time. `{}` has the published threshold of LVIS; null: every image comes once"
        ),
    )
    copy_paste: CopyPasteConfig | None = Field(
        default=None,
        description=(
            "objects of another training image are laid over an image, after both were augmented; crowds and "
            "neutral objects are not copied. An object that is covered entirely is left out"
        ),
    )
    scale_jitter: ScaleJitterConfig | None = Field(
        default=None,
        description=(
            "large-scale jitter, after `augmentation` and before `copy_paste`: a factor is drawn, and the scaled image "
            "is cut at a random place, or padded, to a square of `max_dim`; `{}` has the published factors 0.1 to 2. "
            "Objects that are cut away, or cover no pixel to a half, are left out. See [image sizes](#image-sizes)"
        ),
    )
    seed: Index = Field(
        default=0,
        description=(
            "of weights, order and augmentation. On a CPU, runs of one seed, machine and version give the same weights "
            "bit for bit; on a GPU they differ by rounding ([more](results.md#two-runs-of-one-seed))"
        ),
    )
    max_skipped_share: Fraction = Field(
        default=0.5,
        description=(
            "a training ends when more than this share of its annotations or images cannot be used; 0: at the first"
        ),
    )
    max_image_mb: PositiveInt = Field(
        default=2048,
        description=(
            "largest image, in megabytes of decoded pixels (height x width x channels x bytes); one that is "
            "larger is skipped and named. The default holds RGB images of 26,000 x 26,000 pixels"
        ),
    )
    early_stopping: EarlyStoppingConfig | None = Field(
        default=None, description="null always runs all `epochs`; an object, `{}` too, turns it on"
    )
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    validation: ValidationConfig = ValidationConfig()
    trackers: Trackers = ()
    energy_country: EnergyCountry = None

    @field_validator("model", mode="wrap")
    @classmethod
    def _check_by_family(cls, value: Any, check: ValidatorFunctionWrapHandler) -> ModelConfig:
        return record_of(value).model_validate(value) if isinstance(value, Mapping) else check(value)

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
        if self.copy_paste and MASK_POINTS in self.model.needs:
            raise ValueError(
                "`copy_paste` must be null with `model.mask_supervision` points: a pasted object would cover points "
                "without changing their labels"
            )
        if self.model.channels != 3:
            for position, augmenter in enumerate(self.augmentation):
                for name in set(augmenter.names()) & set(RGB_ONLY):
                    raise ValueError(
                        f"`augmentation[{position}]` {name} needs 3 `model.channels`, got {self.model.channels}"
                    )
        return self

    @model_validator(mode="after")
    def _check_scales(self) -> Self:
        if self.scale_jitter and self.input_size.train_min_dims:
            raise ValueError(
                "`scale_jitter` must be null with `input_size.train_min_dims`: both draw the scale of an image; use one"
            )
        if self.scale_jitter:
            self.input_size.check_square("input_size.max_dim", why=" with `scale_jitter`, whose input is square")
        return self

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        # with the default family, start weights may set another one; they are read later, so a value of any family
        # passes here, and `train.check` checks it again
        is_open = self.model.family == DEFAULT_FAMILY
        if not (is_open and any(self.train_layers in record.TRAIN_LAYERS for record in FAMILIES.values())):
            self.model.check_layers(self.train_layers)
        return self

    @property
    def training_size(self) -> InputSize:
        """The sizes that hold each training image at its largest scale; squares with `scale_jitter`."""
        size = self.input_size.largest_in_training
        return size.model_copy(update={"shape": "square"}) if self.scale_jitter else size

    @property
    def given_model(self) -> dict[str, Any]:
        """The keys of `model` that the user gave, with their values."""
        names = {way[1] for key in self.given if (way := key.split("."))[0] == "model" and len(way) > 1}
        values = self.model.model_dump(mode="json", include=names)
        return {**{name: getattr(self.model, name) for name in names - values.keys()}, **values}

    def with_model(self, model: ModelConfig, *, given: Iterable[str]) -> Self:
        """Copies the config with other settings of the model.

        Args:
            model: the settings.
            given: keys of `model` that count as given from now on, besides those that the user gave.
        """
        return self.model_copy(update={"model": model}).also_given(f"model.{key}" for key in given)

    def with_start(self, model: object | None) -> Self:
        """Replaces `weights_init_type` auto by what it means for the start weights; others stay.

        Args:
            model: what names the start weights; None where there are none.
        """
        if self.weights_init_type != AUTO:
            return self
        return self.model_copy(update={"weights_init_type": "imagenet" if model is None else "transfer_learning"})

    @property
    def best_monitor(self) -> str:
        """The column of the history that makes a checkpoint the best."""
        stopping = self.early_stopping.monitor if self.early_stopping else "val_loss"
        return self.checkpoints.monitor or stopping

    def to_settings(self) -> dict[str, Any]:
        """Builds the `settings` of a model folder's config.json: the merged config without `model`.

        The original's keys keep the original's form, with `input_size.width` and `height` (0 where the user gave none),
        so that the original's tools can read them. Loading the result yields the same config except for `model`.
        """
        settings = self.model_dump(mode="json", exclude={"model"})
        settings["input_size"] = {"width": 0, "height": 0, **settings["input_size"]}
        if settings["special_classes"]["neutral"] is None:
            del settings["special_classes"]["neutral"]
        if not settings["special_classes"]["stuff"]:
            del settings["special_classes"]["stuff"]
        return settings
