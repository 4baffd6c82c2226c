"""The deploy config: the inference config's `model` keys at top level, and the size of the image cache.

Source: Supervisely Mask R-CNN plugin 5.16, deploy task config.
"""

from mrcnn.config.base import PositiveInt
from mrcnn.config.inference import InferenceModelConfig

DEPLOY_SUFFIX = "_model"  # what a service appends to class and tag names by default; an inference run: "_maskrcnn"


class DeployConfig(InferenceModelConfig):
    """All settings of a service."""

    cache_limit: PositiveInt = 500
