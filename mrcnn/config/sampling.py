"""Settings of how often each training image comes in an epoch."""

from pydantic import Field

from mrcnn.config.base import PositiveFraction, Settings


class SamplingConfig(Settings):
    """Repeat-factor sampling: images of rare classes come several times in an epoch."""

    repeat_threshold: PositiveFraction = Field(
        default=0.001,
        description=(
            "share of the training images from which a class is not repeated; a class that a share f of them has comes "
            "sqrt(threshold / f) times as often, and an image as often as its rarest class"
        ),
    )
