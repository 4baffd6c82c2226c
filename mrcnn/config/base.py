"""Base class and field types of all settings: frozen, no unknown keys, strict numbers.

An integer is a JSON integer: neither `true` nor `1.0` is one. A number is an integer or a finite fraction, no string.
Source: JSON Schema draft 4 as the original validated it (jsonschema 2.6).
"""

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, Strict

SIZE_STEP = 64  # pixels; a model input is halved six times on the way to P6
LARGEST_INT = 2**31 - 1  # counts and seeds end up as int32

PositiveInt = Annotated[int, Strict(), Field(ge=1, le=LARGEST_INT)]
Index = Annotated[int, Strict(), Field(ge=0, le=LARGEST_INT)]

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Positive = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Strict(), Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Strict(), Field(gt=0, le=1)]

Flag = Annotated[bool, Strict()]
Name = Annotated[str, Strict(), Field(min_length=1)]
Text = Annotated[str, Strict()]

# Keras's dtype policies; `auto` selects a fast one for the device
PrecisionName = Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"]
PRECISIONS = get_args(PrecisionName)
USES_MODEL = ("transfer_learning", "continue_training")  # values of `weights_init_type` that start from a model
AUTO = "auto"


class Settings(BaseModel):
    """A group of settings: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
