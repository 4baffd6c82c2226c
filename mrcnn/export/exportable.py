"""Defines what an export contains, whatever the format that writes it.

Shape letters: B images, Hi Wi height and width of the model input, D output slots, M mask side.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mrcnn.config.model import ModelConfig
from mrcnn.model_folder.network import Network
from mrcnn.ops import accelerator
from mrcnn.ops.tensorflow_internals import forward_only
from mrcnn.predict import outputs
from mrcnn.predict.image_function import InputRules
from mrcnn.structures import Choices, Tensor


@dataclass(frozen=True)
class DetectorSettings(InputRules):
    """Settings of a detector for preprocessing and postprocessing, outside the network.

    Attributes:
        image_range: value of white in the model's 16-bit images; None for a model of 8-bit images.
        fields: names of the extra fields of its detections.
        model: settings of the network, for formats that hold weights alone.
    """

    image_range: int | None = None
    fields: tuple[str, ...] = ()
    model: ModelConfig | None = None


@dataclass(frozen=True)
class Exportable:
    """A loaded model as functions of tensors, with the settings and names that belong to it.

    Attributes:
        network: maps a dictionary with `images` `[B, Hi, Wi, channels]` and `windows` `[B, 4]`, and its argument
            `choices`, to `RawDetections`; its `weights` are Keras variables.
        settings: how an image enters and how detections leave.
        labels: content of labels.json: titles, colours, input size and thresholds.
        choices: the run-time choices of the exported graph.
        known: what else the file's metadata holds of the model, as in `predict.exported_settings.ExportedSettings`:
            `neutral`, `mask_classes`, `class_order` and `made_of`; without one of them it is None.
    """

    network: Network
    settings: DetectorSettings
    labels: Mapping[str, Any]
    choices: Choices
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variables(self) -> list[Any]:
        """The backend's variables of the network, in the order of its weights."""
        return [weight.value for weight in self.network.weights]

    @contextmanager
    def fixed_shapes(self) -> Iterator[None]:
        """Fixes all shapes of graphs that are traced in this block, whatever is found."""
        self.network.use_fixed_slots(True)
        try:
            yield
        finally:
            self.network.use_fixed_slots(accelerator.is_visible())  # as in a new model

    def layers(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns the weights by layer and weight, under their names in a weight file."""
        layout = self.network.weight_layout()
        return {layer: {name: variable.numpy() for name, variable in weights} for layer, weights in layout}

    def detect(self, images: Tensor, windows: Tensor) -> dict[str, Tensor]:
        """Finds objects in model inputs: the network up to masks inside their boxes.

        Args:
            images: `[B, Hi, Wi, channels]` float32, RGB 0-255, zero outside `windows`.
            windows: `[B, 4]` float32, the un-padded parts, yxyx pixels of the model input.

        Returns:
            The fields of `RawDetections` by name, see `outputs.named`: `[B, D, ...]` each, and maps `[B, ...]`.
        """
        with forward_only():
            return outputs.named(self.network({"images": images, "windows": windows}, choices=self.choices))
