"""The deploy config: the inference config's `model` keys at top level, and `cache_limit`.

Source: Supervisely Mask R-CNN plugin 5.16, deploy task config.
"""

from pydantic import Field

from mrcnn.config.base import PositiveInt
from mrcnn.config.inference import InferenceModelConfig

DEPLOY_SUFFIX = "_model"  # default suffix of a service's class and tag names; that of an inference run is "_maskrcnn"


class DeployConfig(InferenceModelConfig):
    """All settings of a service."""

    cache_limit: PositiveInt = Field(
        default=500, description="accepted, has no effect: images are not cached, each request includes its own"
    )
