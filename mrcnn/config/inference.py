"""The inference config: how the model is run, and the mode in which it looks at an image.

Source: Supervisely Mask R-CNN plugin 5.16, inference schemas; `save_probabilities` from the June 2020 SDK.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, SerializeAsAny

from mrcnn.config import errors
from mrcnn.config.base import Flag, Fraction, Index, Settings, Text


def _names(value: Any) -> Any:
    """Checks a selection of names: "__all__" or a list of non-empty strings."""
    if value == "__all__":
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise ValueError(f'must be "__all__" or a list of non-empty strings, got {errors.shown(value)}')


Names = Annotated[str | tuple[str, ...] | None, BeforeValidator(_names)]


class Selection(Settings):
    """Which classes (or tags) of the model are written, and what is appended to their names.

    `save_classes` is the older name of `save_names`; where both are given `save_names` counts, where neither is, all.
    A name that the model lacks is ignored.
    """

    save_names: Names = None
    save_classes: Names = None
    add_suffix: Text = ""

    def selects(self, name: str) -> bool:
        """Tells whether the model's class (or tag) of this name is written."""
        chosen = self.save_names if self.save_names is not None else self.save_classes
        return chosen is None or chosen == "__all__" or name in chosen

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

    def score_threshold(self, model_floor: float) -> float:
        """Returns the lowest score that is kept, given the model's own floor (`ModelConfig.score_threshold`)."""
        floor = model_floor if self.score_floor is None else self.score_floor
        return max(self.min_confidence_threshold, floor)


class Mode(Settings):
    """What every mode accepts; `save_probabilities` has no meaning for this model and no effect."""

    name: Text
    model_classes: Selection = Selection()
    model_tags: Selection = Selection()
    save_probabilities: Flag = False


class FullImageMode(Mode):
    """The model looks at the whole image once."""

    name: Literal["full_image"] = "full_image"


# A new mode is a class here and a runner of the same name in `mrcnn.infer.modes`.
MODES: dict[str, type[Mode]] = {"full_image": FullImageMode}

# Modes of the original that this version does not have yet.
LATER_MODES = ("roi", "bboxes", "sliding_window", "sliding_window_det")


class InferenceConfig(Settings):
    """All settings of an inference run; `mode` is an instance of one of `MODES`."""

    model: InferenceModelConfig = InferenceModelConfig()
    mode: SerializeAsAny[Mode] = FullImageMode()
