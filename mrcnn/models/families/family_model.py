"""Base class of the model families that are built from a settings record."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.models import layout
from mrcnn.models.mask_rcnn import Layers, MaskRCNN, Numbers

_HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
LAYER_PATTERNS = {
    "heads": _HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + _HEADS,
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + _HEADS,
    "all": ".*",
}


class FamilyModel(MaskRCNN):
    """`MaskRCNN` with ResNet and feature pyramid, built from its family's settings.

    Attributes:
        record: class of the settings.
        layers_of: `layers_of(config, num_classes=..., feature_dtype=...)` builds the layers.
        numbers_of: `numbers_of(config)` collects the model's numbers.
    """

    layer_patterns = LAYER_PATTERNS
    record: ClassVar[type[RcnnConfig]]
    layers_of: ClassVar[Callable[..., Layers]]
    numbers_of: ClassVar[Callable[..., Numbers]]

    def __init__(self, *, num_classes: int, settings: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Builds the model and its variables.

        Args:
            num_classes: with background.
            settings: fields of `record`; omitted ones have their defaults.
            **kwargs: `name` and `dtype`, the precision policy of the convolutions.
        """
        config = self.record(**(settings or {}))
        policy = keras.dtype_policies.get(kwargs.get("dtype") or keras.config.dtype_policy())
        layers = type(self).layers_of(config, num_classes=num_classes, feature_dtype=policy.compute_dtype)
        super().__init__(layers, type(self).numbers_of(config), **kwargs)
        self.num_classes, self.settings = num_classes, config

    def get_config(self) -> dict[str, Any]:
        """Collects the constructor's arguments; Keras alone records only a model's defaults."""
        config = {"num_classes": self.num_classes, "settings": self.settings.model_dump(mode="json")}
        return {**config, "name": self.name, "dtype": keras.saving.serialize_keras_object(self.dtype_policy)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> "FamilyModel":
        """Builds the model, with new random weights, from the dictionary of `get_config`."""
        dtype = keras.saving.deserialize_keras_object(config["dtype"], custom_objects=custom_objects)
        return cls(**{**config, "dtype": dtype})

    def weight_layout(self) -> layout.Layout:
        """Lists the weights under Matterport's names and in its order."""
        return layout.weight_layout(self, backbone=self.settings.backbone)
