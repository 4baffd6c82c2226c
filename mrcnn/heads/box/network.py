"""The box head's network: class logits and box deltas of regions. Names are Matterport's."""

from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.blocks.norm import ConvNorm
from mrcnn.structures import Tensor


class BoxHead(Float32Layer):
    """Two fully connected layers, written as convolutions, and two linear outputs."""

    def __init__(
        self,
        *,
        num_classes: int,
        pool_size: int = 7,
        channels: int = 1024,
        initial_values: str = "he",
        batch_norm: str = "frozen",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_classes: with background.
            pool_size: S, side of a region's features in cells.
            channels: of both fully connected layers.
            initial_values: a key of `INITIAL_VALUES`.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            feature_dtype: dtype of the fully connected layers; the outputs are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_classes = num_classes
        initial = INITIAL_VALUES[initial_values]
        common: dict[str, Any] = {
            "padding": "valid",
            "kernel_initializer": initial.fully_connected,
            "batch_norm": batch_norm,
            "feature_dtype": feature_dtype,
        }
        self.first = ConvNorm(channels, pool_size, conv_name="mrcnn_class_conv1", norm_name="mrcnn_class_bn1", **common)
        self.second = ConvNorm(channels, 1, conv_name="mrcnn_class_conv2", norm_name="mrcnn_class_bn2", **common)
        self.class_logits = keras.layers.Dense(
            num_classes, kernel_initializer=initial.class_logits, dtype="float32", name="mrcnn_class_logits"
        )
        self.box_deltas = keras.layers.Dense(
            4 * num_classes, kernel_initializer=initial.box_deltas, dtype="float32", name="mrcnn_bbox_fc"
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for regions `[P, S, S, C]`."""
        channels = self.first.conv.filters
        self.first.build(input_shape)
        self.second.build((None, 1, 1, channels))
        self.class_logits.build((None, channels))
        self.box_deltas.build((None, channels))

    def call(self, regions: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Computes class logits and box deltas of regions.

        Args:
            regions: `[P, S, S, C]`.
            training: whether batch norm may use the batch's statistics.

        Returns:
            class logits `[P, num_classes]` and deltas `[P, num_classes, 4]`, both float32.
        """
        hidden = self.first(regions, training=training)
        hidden = self.second(hidden, training=training)[:, 0, 0]  # [P, 1, 1, channels] -> [P, channels]
        deltas = self.box_deltas(hidden)
        return self.class_logits(hidden), ops.reshape(deltas, (-1, self.num_classes, 4))
