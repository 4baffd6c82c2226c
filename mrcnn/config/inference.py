"""The inference config: settings of the model and of the inference mode.

Source: Supervisely Mask R-CNN plugin 5.16, inference schemas; `save_probabilities` from the June 2020 SDK. This project
added `score_floor`, `max_image_mb`, `runtime` and `tta`; in `mode` `flip`, `existing_objects`, `join_iou_threshold`,
and `nms_after` of `sliding_window`.
"""

import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, WithJsonSchema, model_validator

from mrcnn.config import errors
from mrcnn.config.base import (
    Flag,
    Fraction,
    Index,
    Name,
    NotNegative,
    PositiveFraction,
    PositiveInt,
    Settings,
    Text,
)
from mrcnn.config.given import UserSettings
from mrcnn.config.tta import TtaConfig

_AMOUNT = re.compile(r"-?[0-9]{1,9}(px|%)")
AMOUNT_PATTERN = f"^{_AMOUNT.pattern}$"
CUT_PATTERN = "^([0-9]{1,9}|-0{1,9})(px|%)$"
INFERENCE_SUFFIX = "_maskrcnn"  # default suffix of an inference run's class and tag names
# the meanings of keys that several records have with other types or defaults
LIVE = "live"
RuntimeName = Literal["live", "auto", "onnx", "openvino", "litert", "saved_model"]
MODE_NAME = "which regions of an image the model is applied to, see [inference.md](inference.md)"
ENABLE = "apply mask NMS per class to the detections of all windows; in the original in `sliding_window_det` only"
OVERLAPPING = "IoU threshold of that mask NMS: of two detections with a higher mask IoU the weaker is dropped"


def _names(value: Any) -> Any:
    """Checks a selection of names: "__all__" or a list of non-empty strings."""
    if value == "__all__":
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise ValueError(f'must be "__all__" or a list of non-empty strings, got {errors.shown(value)}')


def _amount(value: Any) -> Any:
    """Checks an amount such as "20px" or "10%"."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return value
    raise ValueError(f'must be a whole number with px or %, such as "20px" or "10%", got {errors.shown(value)}')


def _not_negative(amount: str) -> str:
    if amount.startswith("-") and amount.strip("-0px%"):
        raise ValueError(f'must not be below 0, got "{amount}": the region lies in the image; write "0px"')
    return amount


Names = Annotated[
    str | tuple[str, ...] | None,
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"const": "__all__"}, {"type": "array", "items": {"type": "string", "minLength": 1}}]}),
]
Amount = Annotated[str, BeforeValidator(_amount), WithJsonSchema({"type": "string", "pattern": AMOUNT_PATTERN})]
Cut = Annotated[
    Amount,
    AfterValidator(_not_negative),
    WithJsonSchema({"type": "string", "pattern": CUT_PATTERN}),
]


def is_among(name: str, names: Names) -> bool:
    """Checks whether a selection contains a name; "__all__" and None contain every name."""
    return names is None or names == "__all__" or name in names


class Selection(Settings):
    """Which classes (or tags) are written, and what is appended to their names.

    `save_classes` is the older name of `save_names`; where both are given `save_names` counts, where neither is, all.
    A name that does not exist is ignored. The subclasses describe the keys for their place in a mode.
    """

    save_names: Names = None
    save_classes: Names = Field(
        default=None,
        description="older name of `save_names`, which counts where both are given",
        json_schema_extra={"deprecated": True},
    )
    add_suffix: Text = ""

    def selects(self, name: str) -> bool:
        """Checks whether the class (or tag) of this name is written."""
        return self._selected is None or name in self._selected

    @cached_property
    def _selected(self) -> frozenset[str] | None:
        """The selected names as a set, for fast look-up among thousands; None selects all."""
        names = self.save_names if self.save_names is not None else self.save_classes
        return None if names is None or names == "__all__" else frozenset(names)

    def renamed(self, name: str) -> str:
        """Returns the name under which the class (or tag) is written."""
        return name + self.add_suffix


class ClassSelection(Selection):
    """Which of the model's classes are written, and what is appended to their names."""

    save_names: Names = Field(
        default=None,
        description="classes that are written, all where the key is left out; names the model lacks are ignored",
    )
    add_suffix: Text = Field(
        default="",
        description=(
            'appended to the class names; `"_model"` in a service; in modes other than `full_image` the default is `""`'
        ),
    )


class TagSelection(Selection):
    """Which of the model's tags are written, and what is appended to their names."""

    save_names: Names = Field(
        default=None,
        description="tags that are written, by their name before the suffix; all where the key is left out",
    )
    add_suffix: Text = Field(
        default="",
        description=(
            'appended to the tag\'s name; `"_model"` in a service; in modes other than `full_image` the default is `""`'
        ),
    )


class ObjectSelection(Selection):
    """Which of the annotated objects stay, and what is appended to the names of their classes."""

    save_names: Names = Field(
        default=None,
        description=(
            "classes of the project whose objects stay, all where the key is left out; the others' objects are left "
            "out of the result"
        ),
    )
    add_suffix: Text = Field(default="", description="appended to the classes of the objects that stay")


class InferenceModelConfig(UserSettings):
    """How the model is run and which of its detections are kept.

    A detection is kept when its score reaches both `min_confidence_threshold` and the model's own floor. The published
    preset's 0.0 therefore means the floor: the model's `score_threshold`, 0.7, unless `score_floor` gives another.
    """

    gpu_device: Index = Field(
        default=0,
        description=(
            "number of the GPU that runs the model. Without a GPU the CPU is used; a config that names one gets a "
            "warning then"
        ),
    )
    confidence_tag_name: Text = Field(default="confidence", description="tag with the score, on every detection")
    min_confidence_threshold: Fraction = Field(
        default=0.0,
        description=(
            "detections below it are dropped. It can only raise the model's own floor (`model.score_threshold` of "
            "training, 0.7): the published preset's 0.0 keeps what reaches 0.7"
        ),
    )
    score_floor: Fraction | None = Field(
        default=None,
        description=(
            "**new**: replaces the model's own floor, so that lower scores come out: 0.0 leaves the cut to "
            "`min_confidence_threshold`"
        ),
    )
    max_image_mb: PositiveInt = Field(
        default=2048,
        description=("**new**: largest image, in megabytes of decoded pixels; one that is larger is skipped and named"),
    )
    runtime: RuntimeName = Field(
        default="live",
        description=(
            "**new**: what runs the model: `live`, the Keras network; `onnx`, `openvino`, `litert` or `saved_model`, "
            "an [exported file](export.md#runtimes-of-a-model-folder) of this kind in the folder `export` of the model "
            "folder; `auto`, the fastest exported file with equal detections. If no file can be used, the Keras "
            "network runs and the log has the reason"
        ),
    )
    tta: TtaConfig | None = Field(
        default=None,
        description=(
            "**new**: [test-time augmentation](inference.md#test-time-augmentation): the model is applied to each "
            "image or region at several sizes and mirrored, and the results are merged. An object, `{}` too, turns it "
            "on; null is off"
        ),
    )

    def score_threshold(self, model_floor: float) -> float:
        """Computes the lowest score that is kept.

        Args:
            model_floor: the model's own threshold, `ModelConfig.score_threshold`; `score_floor` replaces it.
        """
        floor = model_floor if self.score_floor is None else self.score_floor
        return max(self.min_confidence_threshold, floor)


class Sides(Settings):
    """An amount for each side of a box.

    It is in pixels, or in per cent of the box's width or height.
    """

    left: Amount = Field(
        default="0px", description="added to the box on the left, below 0 taken away; per cent of the box's width"
    )
    top: Amount = Field(default="0px", description="added to the box at the top; per cent of the box's height")
    right: Amount = Field(default="0px", description="added to the box on the right")
    bottom: Amount = Field(default="0px", description="added to the box at the bottom")


class Bounds(Sides):
    """How much is cut off each side of an image.

    An amount is in pixels, or in per cent of the image's width or height.
    """

    left: Cut = Field(
        default="0px",
        description="cut off the left; per cent of the image's width, fractions of a pixel dropped",
    )
    top: Cut = Field(default="0px", description="cut off the top; per cent of the image's height")
    right: Cut = Field(default="0px", description="cut off the right")
    bottom: Cut = Field(default="0px", description="cut off the bottom")


class Window(Settings):
    """Sides of a window in pixels of the image."""

    width: PositiveInt = Field(default=128, description="pixels of the image; cut to the image's width")
    height: PositiveInt = Field(default=128, description="pixels of the image; cut to the image's height")


class Overlap(Settings):
    """Pixels that neighbouring windows share at least."""

    x: Index = Field(default=0, description="columns that neighbours share at least; fewer than the window has")
    y: Index = Field(default=0, description="rows that neighbours share at least; fewer than the window has")


class NmsAfter(Settings):
    """Mask NMS over the detections of all windows, per class.

    As in the original, a detection that NMS drops still suppresses weaker ones.
    `iou_threshold` is the largest mask IoU of two detections of one class that both stay. `confidence_tag_name` is the
    model's tag before its suffix: a detection has no other score to sort by.
    """

    enable: Flag = Field(default=False, description=ENABLE)
    iou_threshold: NotNegative = Field(default=0.0, description=OVERLAPPING)
    confidence_tag_name: Text = Field(
        default="confidence",
        description="tag with the score that orders detections; if given, it must be `model.confidence_tag_name`",
    )


class UsualNmsAfter(NmsAfter):
    """`NmsAfter` with defaults for overlapping windows: NMS at a mask IoU of 0.3."""

    enable: Flag = Field(default=True, description=ENABLE)
    iou_threshold: NotNegative = Field(default=0.3, description=OVERLAPPING)


class Mode(Settings):
    """Keys of every inference mode.

    `model_classes` and `model_tags` select and rename classes and tags of the detections, `existing_objects` those of
    the annotated objects. `save_probabilities` has no effect: this model computes no score per pixel. With `flip` the
    model also predicts on the mirror image of each region, and mask NMS merges both results.
    """

    name: Text = Field(description=MODE_NAME)
    model_classes: ClassSelection = ClassSelection()
    model_tags: TagSelection = TagSelection()
    existing_objects: ObjectSelection = ObjectSelection()
    save_probabilities: Flag = Field(
        default=False, description="of later SDKs; accepted, without effect: this model computes no score per pixel"
    )
    flip: Flag = Field(
        default=False,
        description=(
            "**new**: also predict on the mirror image of each region and merge both results by mask NMS; doubles the "
            "time"
        ),
    )


class FullImageMode(Mode):
    """Runs the model on the whole image."""

    name: Literal["full_image"] = Field(default="full_image", description=MODE_NAME)


class RoiMode(Mode):
    """Runs the model on the image cropped by `bounds`."""

    name: Literal["roi"] = Field(default="roi", description=MODE_NAME)
    bounds: Bounds = Bounds()
    save: Flag = Field(default=False, description="add a rectangle of the region")
    class_name: Name = Field(default="inference_roi", description="the class of that rectangle")


class BboxesMode(Mode):
    """Runs the model on the box of each annotated object of `from_classes`, enlarged by `padding`."""

    name: Literal["bboxes"] = Field(default="bboxes", description=MODE_NAME)
    from_classes: Names = Field(
        default="__all__", description="the model runs on the boxes of the objects of these classes"
    )
    padding: Sides = Sides()
    save: Flag = Field(default=False, description="add a rectangle of each region that the model ran on")
    add_suffix: Text = Field(
        default="_input_bbox", description="appended to the object's class to name that rectangle's"
    )


class SlidingMode(Mode):
    """Runs the model on windows that cover the image, and combines their detections.

    Detections of two windows are joined to one object if the IoU of their masks, inside the area that both windows
    cover, reaches `join_iou_threshold`; null joins none.
    """

    window: Window = Window()
    min_overlap: Overlap = Overlap()
    save: Flag = Field(default=False, description="add a rectangle of each window")
    class_name: Name = Field(default="sliding_window", description="the class of those rectangles")
    nms_after: NmsAfter = NmsAfter()
    join_iou_threshold: PositiveFraction | None = Field(
        default=0.5,
        description=(
            "**new**: detections of two windows are joined to one object from this mask IoU on, computed inside the "
            "area that both windows cover; null joins none"
        ),
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> "SlidingMode":
        for axis, side in (("x", "width"), ("y", "height")):
            overlap, length = getattr(self.min_overlap, axis), getattr(self.window, side)
            if overlap >= length:
                raise ValueError(
                    f"`min_overlap.{axis}` must be less than `window.{side}`, got {overlap} and {length}; "
                    f"use {length // 4} or so"
                )
        return self


class SlidingWindowMode(SlidingMode):
    """Sliding windows, with mask NMS on by default."""

    name: Literal["sliding_window"] = Field(default="sliding_window", description=MODE_NAME)
    nms_after: UsualNmsAfter = UsualNmsAfter()


class SlidingWindowDetMode(SlidingMode):
    """Sliding windows, with mask NMS off by default, as in the original."""

    name: Literal["sliding_window_det"] = Field(default="sliding_window_det", description=MODE_NAME)


# A new mode is a class here and a runner of the same name in `mrcnn.predict.modes`.
MODES: dict[str, type[Mode]] = {
    "full_image": FullImageMode,
    "roi": RoiMode,
    "bboxes": BboxesMode,
    "sliding_window": SlidingWindowMode,
    "sliding_window_det": SlidingWindowDetMode,
}


class InferenceConfig(Settings):
    """All settings of an inference run; `mode` is an instance of one of `MODES`."""

    model: InferenceModelConfig = InferenceModelConfig()
    mode: SerializeAsAny[Mode] = FullImageMode()
