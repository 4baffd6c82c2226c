"""The deploy config: the inference config's `model` keys at top level, and `cache_limit`.

Source: Supervisely Mask R-CNN plugin 5.16, deploy task config.
"""

from mrcnn.config.base import PositiveInt
from mrcnn.config.inference import InferenceModelConfig

DEPLOY_SUFFIX = "_model"  # default suffix of a service's class and tag names; that of an inference run is "_maskrcnn"


class DeployConfig(InferenceModelConfig):
    """All settings of a service."""

    cache_limit: PositiveInt = 500
