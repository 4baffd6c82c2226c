"""What the users of a predictor must know of its model, without the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mrcnn.project.meta import ClassMeta
from mrcnn.structures import SEMANTIC, Choices, SemanticRules


@dataclass(frozen=True)
class ModelFacts:
    """The classes, the input and the run-time choices of a model.

    Attributes:
        class_names: title of each class id, the background first.
        class_metas: the classes in the order of the model's folder, without the background.
        min_dim: target of an image's short side in pixels.
        max_dim: longest side of the model input in pixels.
        choices: the run-time choices in use.
        channels: channel count of an image.
        image_range: value of white in the model's 16-bit images; None for a model of 8-bit images.
        maps: the maps of whole images that it predicts, by name, with their classes and rules.
        stuff_metas: the classes of the semantic map.
        needs: extra fields that its training needed, see `ModelConfig.needs`.
    """

    class_names: tuple[str, ...]
    class_metas: tuple[ClassMeta, ...]
    min_dim: int
    max_dim: int
    choices: Choices
    channels: int = 3
    image_range: int | None = None
    maps: Mapping[str, SemanticRules] = field(default_factory=dict)
    stuff_metas: tuple[ClassMeta, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def stuff_classes(self) -> tuple[str, ...]:
        """Titles of the classes of the semantic map from 1."""
        return self.maps[SEMANTIC].stuff if SEMANTIC in self.maps else ()
