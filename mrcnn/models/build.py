"""Builds a model from its settings by the builder of its family."""

from collections.abc import Callable

from mrcnn.config.model import ModelConfig
from mrcnn.models.families.matterport import Matterport
from mrcnn.models.families.torchvision import Detectron2, Torchvision, TorchvisionV2
from mrcnn.models.mask_rcnn import MaskRCNN

# A builder is called with `num_classes`, `settings` (the fields of the family's record as JSON values) and `name`; the
# records of the same names are in `mrcnn.config.family`.
BUILDERS: dict[str, Callable[..., MaskRCNN]] = {
    "matterport": Matterport,
    "torchvision": Torchvision,
    "torchvision_v2": TorchvisionV2,
    "detectron2": Detectron2,
}


def build_model(config: ModelConfig, *, num_classes: int) -> MaskRCNN:
    """Builds the model under the current precision policy, with new random weights.

    Args:
        config: settings of the architecture, a record of one of the families.
        num_classes: with background, at least 2.

    Raises:
        ValueError: `num_classes` is below 2.
    """
    if num_classes < 2:
        raise ValueError(f"a model needs the background and at least one class, got {num_classes} class(es)")
    build = BUILDERS[config.family]
    return build(num_classes=num_classes, settings=config.model_dump(mode="json"), name="mask_rcnn")
