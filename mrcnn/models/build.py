"""Builds a model from its settings."""

from mrcnn.config.model import ModelConfig
from mrcnn.models.families.matterport import Matterport


def build_model(config: ModelConfig, *, num_classes: int) -> Matterport:
    """Builds the model under the current precision policy, with new random weights.

    Args:
        config: settings of the architecture.
        num_classes: with background, at least 2.

    Raises:
        ValueError: `num_classes` is below 2.
    """
    if num_classes < 2:
        raise ValueError(f"a model needs the background and at least one class, got {num_classes} class(es)")
    return Matterport(num_classes=num_classes, settings=config.model_dump(mode="json"), name="mask_rcnn")
