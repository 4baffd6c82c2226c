"""Settings of the size of the model input, in pixels."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from mrcnn.config.base import SIZE_STEP, PositiveInt, Settings


class InputSize(Settings):
    """Size of the model input; `min_dim` above `max_dim` has no effect, as in the original.

    Other keys are kept: the original's `width` and `height` placeholders end up in the model folder.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    min_dim: PositiveInt = Field(
        default=256,
        description=(
            "the short side of an image is enlarged to this, and by some rules of `model.image_fit` shrunk to it; no "
            "effect above `max_dim`"
        ),
    )
    max_dim: PositiveInt = Field(
        default=256,
        description=(
            "the long side of an image never exceeds this; the rest of the model input is padding. A multiple of 64, "
            "unless `shape` is rectangle"
        ),
    )
    shape: Literal["rectangle", "square"] | None = Field(
        default=None,
        description=(
            "`rectangle`: the model input is the smallest rectangle of multiples of 64 pixels (32 by some rules of "
            "`model.image_fit`) that holds the image, in training one of at most 8 shapes, chosen from the images "
            "and logged; `square`: always `max_dim` x `max_dim`. null: rectangle for a new model, square for one of an "
            "older convention or whose start weights were trained with it, and where `augmentation` changes the size "
            "of images"
        ),
    )
    train_min_dims: tuple[PositiveInt, ...] = Field(
        default=(),
        description=(
            "multi-scale training: values of `min_dim`, one of which is drawn for each training image in each epoch; "
            "validation and inference use `min_dim`. [] trains with `min_dim` too; see [image sizes](#image-sizes)"
        ),
    )

    @property
    def settled_shape(self) -> str:
        """The shape; `square` where it is null, as in older model folders."""
        return self.shape or "square"

    @property
    def largest_in_training(self) -> "InputSize":
        """The sizes with the largest `min_dim` that training draws."""
        return self.model_copy(update={"min_dim": max(self.train_min_dims)}) if self.train_min_dims else self

    def check_square(self, name: str = "max_dim", *, why: str = "") -> None:
        """Checks that a square of `max_dim` has a side that the pyramid can halve.

        Args:
            name: of the side in the message.
            why: what needs a square, for the message.

        Raises:
            ValueError: it is no multiple of `SIZE_STEP`.
        """
        if self.max_dim % SIZE_STEP:
            use = -(-self.max_dim // SIZE_STEP) * SIZE_STEP
            raise ValueError(f"`{name}` must be a multiple of {SIZE_STEP}{why}, got {self.max_dim}; use {use}")

    @model_validator(mode="after")
    def _check_square(self) -> Self:
        """Checks the side of a square; a rectangle is rounded up."""
        if self.shape != "rectangle":
            self.check_square()
        return self

    @model_serializer(mode="wrap")
    def _without_open_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out `shape` if null and `train_min_dims` if empty, as in the original's configs."""
        values = dump(self)
        return {key: value for key, value in values.items() if value or key not in ("shape", "train_min_dims")}
