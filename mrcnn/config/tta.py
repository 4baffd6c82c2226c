"""Settings of test-time augmentation: the sizes at which a model looks at an image, and mirror images.

Source: detectron2's `TEST.AUG`, whose values the defaults are for a model with a short side of 800 pixels.
"""

from typing import Annotated

from pydantic import Field

from mrcnn.config.base import Flag, PositiveInt, Settings


class TtaConfig(Settings):
    """The views of an image or a region that the model is applied to."""

    min_dims: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = Field(
        default=None,
        description=(
            "short side of each view in pixels, as `input_size.min_dim`. null: nine sizes from half to one and a half "
            "times that of the model, which are detectron2's 400, 500, ... 1200 for a model of 800"
        ),
    )
    max_dim: PositiveInt = Field(
        default=4000,
        description=(
            "the long side of a view never exceeds this. With `model.image_fit` centred or square inputs it also "
            "never exceeds `input_size.max_dim`, scaled as `min_dim` is"
        ),
    )
    flip: Flag = Field(default=True, description="also use the mirror image of each view; doubles the time")
