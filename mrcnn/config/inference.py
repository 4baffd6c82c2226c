"""The inference config: settings of the model and of the inference mode.

Source: Supervisely Mask R-CNN plugin 5.16, inference schemas; `save_probabilities` from the June 2020 SDK. This project
added `score_floor` and `max_image_mb`; in `mode` `flip`, `existing_objects`, `join_iou_threshold`, and `nms_after` of
`sliding_window`.
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

_AMOUNT = re.compile(r"-?[0-9]{1,9}(px|%)")


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
Amount = Annotated[str, BeforeValidator(_amount), WithJsonSchema({"type": "string", "pattern": f"^{_AMOUNT.pattern}$"})]
Cut = Annotated[
    Amount,
    AfterValidator(_not_negative),
    WithJsonSchema({"type": "string", "pattern": "^([0-9]{1,9}|-0{1,9})(px|%)$"}),
]


def is_among(name: str, names: Names) -> bool:
    """Checks whether a selection contains a name; "__all__" and None contain every name."""
    return names is None or names == "__all__" or name in names


class Selection(Settings):
    """Which classes (or tags) are written, and what is appended to their names.

    `save_classes` is the older name of `save_names`; where both are given `save_names` counts, where neither is, all.
    A name that does not exist is ignored.
    """

    save_names: Names = None
    save_classes: Names = Field(default=None, json_schema_extra={"deprecated": True})
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


class InferenceModelConfig(Settings):
    """How the model is run and which of its detections are kept.

    A detection is kept when its score reaches both `min_confidence_threshold` and the model's own floor. The published
    preset's 0.0 therefore means the floor: the model's `score_threshold`, 0.7, unless `score_floor` gives another.
    """

    gpu_device: Index = 0
    confidence_tag_name: Text = "confidence"
    min_confidence_threshold: Fraction = 0.0
    score_floor: Fraction | None = None
    max_image_mb: PositiveInt = 2048

    def score_threshold(self, model_floor: float) -> float:
        """Computes the lowest score that is kept.

        Args:
            model_floor: the model's own threshold, `ModelConfig.score_threshold`; `score_floor` replaces it.
        """
        floor = model_floor if self.score_floor is None else self.score_floor
        return max(self.min_confidence_threshold, floor)


class Sides(Settings):
    """An amount for each side of a box: pixels, or per cent of the box's width or height."""

    left: Amount = "0px"
    top: Amount = "0px"
    right: Amount = "0px"
    bottom: Amount = "0px"


class Bounds(Sides):
    """How much is cut off each side of an image: pixels, or per cent of its width or height."""

    left: Cut = "0px"
    top: Cut = "0px"
    right: Cut = "0px"
    bottom: Cut = "0px"


class Window(Settings):
    """Sides of a window in pixels of the image."""

    width: PositiveInt = 128
    height: PositiveInt = 128


class Overlap(Settings):
    """Pixels that neighbouring windows share at least."""

    x: Index = 0
    y: Index = 0


class NmsAfter(Settings):
    """Whether what the windows found is thinned out: of objects of one class that overlap more, the best stays.

    `iou_threshold` is the largest IoU of two masks that both stay. `confidence_tag_name` is the model's tag before its
    suffix: the score it names is the only one there is.
    """

    enable: Flag = False
    iou_threshold: NotNegative = 0.0
    confidence_tag_name: Text = "confidence"


class UsualNmsAfter(NmsAfter):
    """`NmsAfter` with what overlapping windows need as defaults."""

    enable: Flag = True
    iou_threshold: NotNegative = 0.3


class Mode(Settings):
    """What every mode accepts; `save_probabilities` has no meaning for this model and no effect.

    `model_classes` and `model_tags` are those of what is found, `existing_objects` the classes of what was annotated.
    With `flip` the model looks at each part of the image a second time, mirrored; what it finds twice counts once.
    """

    name: Text
    model_classes: Selection = Selection()
    model_tags: Selection = Selection()
    existing_objects: Selection = Selection()
    save_probabilities: Flag = False
    flip: Flag = False


class FullImageMode(Mode):
    """The model looks at the whole image once."""

    name: Literal["full_image"] = "full_image"


class RoiMode(Mode):
    """The model looks at what is left of the image when `bounds` are cut off its sides."""

    name: Literal["roi"] = "roi"
    bounds: Bounds = Bounds()
    save: Flag = False
    class_name: Name = "inference_roi"


class BboxesMode(Mode):
    """The model looks at the box of each annotated object of `from_classes`, grown by `padding`."""

    name: Literal["bboxes"] = "bboxes"
    from_classes: Names = "__all__"
    padding: Sides = Sides()
    save: Flag = False
    add_suffix: Text = "_input_bbox"


class SlidingMode(Mode):
    """The model looks at windows that cover the image; what it finds in them is put together.

    `join_iou_threshold` says when two pieces are one object: how much they must agree, as IoU, in what both windows
    see; null leaves pieces apart.
    """

    window: Window = Window()
    min_overlap: Overlap = Overlap()
    save: Flag = False
    class_name: Name = "sliding_window"
    nms_after: NmsAfter = NmsAfter()
    join_iou_threshold: PositiveFraction | None = 0.5

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
    """Sliding windows; what overlaps is thinned out unless the user says otherwise."""

    name: Literal["sliding_window"] = "sliding_window"
    nms_after: UsualNmsAfter = UsualNmsAfter()


class SlidingWindowDetMode(SlidingMode):
    """Sliding windows, with the original's defaults of `nms_after`."""

    name: Literal["sliding_window_det"] = "sliding_window_det"


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
