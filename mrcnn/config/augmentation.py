"""Lists the imgaug augmenters a config may name, and checks its `augmentation` entries.

Only augmenters that keep masks on their objects are here: geometric ones that imgaug applies to segmentation maps
exactly as to the image, and pixel ones that leave geometry alone. tests/config/test_augmentation.py builds and runs
each on an image and a segmentation map. This module knows names only; `mrcnn.data.augment` builds the objects.
"""

import difflib
import math
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from mrcnn.config import errors
from mrcnn.config.base import Name, Settings

# Move pixels and masks alike and, with their default arguments, keep the image's size.
GEOMETRIC = (
    "Fliplr",
    "Flipud",
    "Rot90",
    "Affine",
    "Rotate",
    "ScaleX",
    "ScaleY",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Crop",
    "Pad",
    "CropAndPad",
    "PerspectiveTransform",
    "PiecewiseAffine",
    "ElasticTransformation",
)

# Change values where they are, whatever the number of channels.
PIXEL = (
    "Add",
    "AddElementwise",
    "Multiply",
    "MultiplyElementwise",
    "AdditiveGaussianNoise",
    "AdditiveLaplaceNoise",
    "AdditivePoissonNoise",
    "ImpulseNoise",
    "SaltAndPepper",
    "Salt",
    "Pepper",
    "Dropout",
    "CoarseDropout",
    "Cutout",
    "GaussianBlur",
    "AverageBlur",
    "MedianBlur",
    "MotionBlur",
    "LinearContrast",
    "GammaContrast",
    "SigmoidContrast",
    "LogContrast",
    "CLAHE",
    "AllChannelsCLAHE",
    "HistogramEqualization",
    "AllChannelsHistogramEqualization",
    "ChannelShuffle",
    "Invert",
    "Solarize",
    "Posterize",
    "UniformColorQuantization",
    "Sharpen",
    "Emboss",
    "Fog",
    "Clouds",
)

# Change values where they are, and work on RGB images only: imgaug refuses another number of channels.
RGB_ONLY = (
    "AddToBrightness",
    "MultiplyBrightness",
    "MultiplyAndAddToBrightness",
    "AddToHue",
    "MultiplyHue",
    "AddToSaturation",
    "MultiplySaturation",
    "AddToHueAndSaturation",
    "MultiplyHueAndSaturation",
    "RemoveSaturation",
    "Grayscale",
    "ChangeColorTemperature",
    "BilateralBlur",
    "JpegCompression",
    "Rain",
    "Snowflakes",
    "FastSnowyLandscape",
)

CONTAINERS = ("Sequential", "SomeOf", "OneOf", "Sometimes")

ALLOWED = GEOMETRIC + PIXEL + RGB_ONLY + CONTAINERS

# The pipeline sets the seeds itself, and inner augmenters come from `children`; these arguments would override both.
REFUSED_ARGUMENTS = ("seed", "name", "random_state", "deterministic", "children", "then_list", "else_list")


def _known_name(value: Any) -> Any:
    if isinstance(value, str) and value not in ALLOWED:
        same = [name for name in ALLOWED if name.lower() == value.lower()]
        close = same or difflib.get_close_matches(value, ALLOWED, n=1)
        fix = f"did you mean {close[0]}" if close else "docs/configuration.md lists them"
        raise ValueError(f"must be an allowed imgaug augmenter, got {errors.shown(value)}; {fix}")
    return value


def _argument(value: Any, *, path: str) -> Any:
    """Checks one argument of an augmenter.

    Args:
        value: the argument from the config.
        path: its name in an error message, e.g. `args.scale`.

    Returns:
        The argument as imgaug expects it: a list of two numbers, a range [lo, hi], becomes a tuple; any other list
        stays a list of choices.

    Raises:
        ValueError: it is no number, string, list of them or object of `x` and `y`.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)) and value and not any(isinstance(item, (list, tuple, dict)) for item in value):
        items = [_argument(item, path=path) for item in value]
        is_range = len(items) == 2 and all(isinstance(item, (int, float)) for item in items)
        return tuple(items) if is_range else items
    if isinstance(value, dict) and value and set(value) <= {"x", "y"}:
        return {axis: _argument(item, path=f"{path}.{axis}") for axis, item in value.items()}
    raise ValueError(
        f"`{path}` must be a number, a string, a list of them or an object of `x` and `y`, got {errors.shown(value)}"
    )


_SCALAR: dict[str, Any] = {"type": ["null", "boolean", "number", "string"]}
_ARGUMENTS: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"not": {"enum": list(REFUSED_ARGUMENTS)}},
    "additionalProperties": {
        "anyOf": [
            _SCALAR,
            {"type": "array", "items": _SCALAR, "minItems": 1},
            {"type": "object", "properties": {"x": {}, "y": {}}, "additionalProperties": False, "minProperties": 1},
        ]
    },
}
_CHILDREN: dict[str, Any] = {
    "if": {"properties": {"name": {"enum": list(CONTAINERS)}}},
    "then": {"required": ["children"], "properties": {"children": {"minItems": 1}}},
    "else": {"properties": {"children": {"maxItems": 0}}},
}


class AugmenterConfig(Settings):
    """One augmenter: its imgaug class name, its arguments, and for a container the augmenters inside."""

    model_config = ConfigDict(json_schema_extra=_CHILDREN)

    name: Annotated[Name, BeforeValidator(_known_name), WithJsonSchema({"enum": list(ALLOWED)})] = Field(
        default=..., description="imgaug's class"
    )
    args: Annotated[dict[str, Any], WithJsonSchema(_ARGUMENTS)] = Field(
        default_factory=dict,
        description=(
            'imgaug\'s arguments: numbers, strings, true, false, null, lists, or `{"x": ..., "y": ...}` of '
            "these. A list of two numbers is a range `[lo, hi]`; any other list is a choice of its values"
        ),
    )
    children: tuple["AugmenterConfig", ...] = Field(
        default=(), description="the augmenters inside a container, at least one; others have none"
    )

    @model_validator(mode="after")
    def _check_arguments(self) -> Self:
        for argument in REFUSED_ARGUMENTS:
            if argument in self.args:
                raise ValueError(f"`args.{argument}` must not be given: the pipeline sets it")
        if self.name in CONTAINERS and not self.children:
            raise ValueError(f"`children` must list the augmenters inside {self.name}, got []")
        if self.name not in CONTAINERS and self.children:
            raise ValueError(f"`children` must be left out: {self.name} holds no augmenters")
        checked = {key: _argument(value, path=errors.shown_path(["args", key])) for key, value in self.args.items()}
        object.__setattr__(self, "args", checked)
        return self

    def names(self) -> Iterator[str]:
        """Yields the class names of this augmenter and of all inside it."""
        yield self.name
        for child in self.children:
            yield from child.names()
