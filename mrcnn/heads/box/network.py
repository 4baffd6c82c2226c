"""The box head's network: class logits and box deltas of regions.

Names are Matterport's where it has the layer.
"""

import math
from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.blocks.norm import EPSILON, BatchNorm, ConvNorm
from mrcnn.structures import Tensor, of_stage

CONVOLUTION_CHANNELS = 256  # of the convolutions before the fully connected layer, as published


class BoxHead(Float32Layer):
    """Convolutions if any, fully connected layers written as convolutions, and two linear outputs."""

    def __init__(
        self,
        *,
        num_classes: int,
        pool_size: int = 7,
        channels: int = 1024,
        convolutions: int = 0,
        initial_values: str = "he",
        batch_norm: str | None = "frozen",
        epsilon: float = EPSILON,
        class_agnostic: bool = False,
        feature_dtype: str = "float32",
        stage: int = 1,
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_classes: with background.
            pool_size: S, side of a region's features in cells.
            channels: of the fully connected layers.
            convolutions: how many 3x3 convolutions come first, with as many channels as the pyramid, batch norm (unless
                `batch_norm` is None) and without bias. With any, there is one fully connected layer without batch norm,
                as in torchvision's second version; without, there are two.
            initial_values: a key of `INITIAL_VALUES`.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`; None for none.
            epsilon: of the batch norms.
            class_agnostic: whether a region has one box for all classes.
            feature_dtype: dtype of the convolutions and the fully connected layers; the outputs are float32.
            stage: of a cascade, from 1; part of the names of the layers, see `of_stage`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_classes, self.class_agnostic = num_classes, class_agnostic
        initial = INITIAL_VALUES[initial_values]

        def norm(name: str) -> BatchNorm | None:
            return BatchNorm(batch_norm, epsilon=epsilon, name=of_stage(name, stage)) if batch_norm else None

        def connected(number: int, size: int) -> ConvNorm:
            conv = Convolution(
                channels,
                size,
                padding="valid",
                kernel_initializer=initial.fully_connected,
                feature_dtype=feature_dtype,
                name=of_stage(f"mrcnn_class_conv{number}", stage),
            )
            return ConvNorm(conv, None if convolutions else norm(f"mrcnn_class_bn{number}"))

        self.convolutions = [
            ConvNorm(
                Convolution(
                    CONVOLUTION_CHANNELS,
                    3,
                    use_bias=batch_norm is None,
                    feature_dtype=feature_dtype,
                    name=of_stage(f"mrcnn_box_conv{number}", stage),
                ),
                norm(f"mrcnn_box_bn{number}"),
            )
            for number in range(1, convolutions + 1)
        ]
        self.first = connected(1, pool_size)
        self.second = None if convolutions else connected(2, 1)
        self.class_logits = keras.layers.Dense(
            num_classes,
            kernel_initializer=initial.class_logits,
            dtype="float32",
            name=of_stage("mrcnn_class_logits", stage),
        )
        self.box_deltas = keras.layers.Dense(
            4 if class_agnostic else 4 * num_classes,
            kernel_initializer=initial.box_deltas,
            dtype="float32",
            name=of_stage("mrcnn_bbox_fc", stage),
        )

    def start_sigmoids_at(self, score: float) -> None:
        """Sets the first biases of the class logits such that their sigmoid is a score; to be called before `build`."""
        self.class_logits.bias_initializer = keras.initializers.Constant(math.log(score / (1 - score)))

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for regions `[P, S, S, C]`."""
        channels = self.first.conv.filters
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = (*input_shape[:-1], convolution.conv.filters)
        self.first.build(input_shape)
        if self.second is not None:
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
        for convolution in self.convolutions:
            regions = convolution(regions, training=training)
        hidden = self.first(regions, training=training)
        if self.second is not None:
            hidden = self.second(hidden, training=training)
        hidden = hidden[:, 0, 0]  # [P, 1, 1, channels] -> [P, channels]
        deltas = self.box_deltas(hidden)
        if self.class_agnostic:
            deltas = ops.tile(deltas, (1, self.num_classes))
        return self.class_logits(hidden), ops.reshape(deltas, (-1, self.num_classes, 4))
