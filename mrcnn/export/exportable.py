"""Defines what an export contains, whatever the format that writes it.

Shape letters: B images, Hi Wi height and width of the model input, D output slots, M mask side.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mrcnn.config.model import ModelConfig
from mrcnn.model_folder.network import Network
from mrcnn.ops import accelerator
from mrcnn.predict import outputs
from mrcnn.predict.image_function import InputRules
from mrcnn.structures import Choices, OutputRules, Tensor


class DetectorSettings(NamedTuple):
    """Settings of a detector for preprocessing and postprocessing, outside the network.

    Attributes:
        class_names: title of each class id, the background first.
        min_dim: target of an image's short side in pixels; images are enlarged to it as far as `max_dim` allows.
        max_dim: longest side of the model input in pixels.
        channels: channel count of an image.
        image_resize: the method of `data.resize.resize_image`.
        image_range: value of white in the model's 16-bit images; None for a model of 8-bit images.
        rules: how boxes are rounded and masks resized.
        shape: of the model input, as for `data.resize.resize_plan`.
        fit: the rule of `data.resize.resize_plan`.
        maps: names of the maps of whole images that the network predicts.
        fields: names of the extra fields of its detections.
        model: settings of the network, for formats that hold weights alone.
    """

    class_names: tuple[str, ...]
    min_dim: int
    max_dim: int
    channels: int = 3
    image_resize: str = "exact"
    image_range: int | None = None
    rules: OutputRules = OutputRules()
    shape: str = "square"
    fit: str = "centred"
    maps: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    model: ModelConfig | None = None

    @property
    def input_rules(self) -> InputRules:
        """How an image enters the network, for formats whose files hold the network alone."""
        return InputRules(**{name: getattr(self, name) for name in InputRules._fields})


@dataclass(frozen=True)
class Exportable:
    """A loaded model as functions of tensors, with the settings and names that belong to it.

    Attributes:
        network: maps a dictionary with `images` `[B, Hi, Wi, channels]` and `windows` `[B, 4]`, and its argument
            `choices`, to `RawDetections`; its `weights` are Keras variables.
        settings: how an image enters and how detections leave.
        labels: content of labels.json: titles, colours, input size and thresholds.
        choices: the run-time choices of the exported graph.
        trained: what the evaluation must know of the training, as in `predict.exported_settings.ExportedSettings`:
            `neutral` and `mask_classes`; without one of them it is None.
    """

    network: Network
    settings: DetectorSettings
    labels: Mapping[str, Any]
    choices: Choices
    trained: Mapping[str, Any] = field(default_factory=dict)

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
        return outputs.named(self.network({"images": images, "windows": windows}, choices=self.choices))
