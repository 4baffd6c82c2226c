"""The keypoint head's network. Source: Mask R-CNN (2017), section 5: eight convolutions, then two enlargements."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.structures import Tensor

KERNEL, STRIDE = 4, 2  # of the transposed convolution
ENLARGED = 4  # times the side of a region's features: twice by that convolution, twice by interpolation
CHANNELS = (512,) * 8


class Deconvolution(Float32Layer):
    """Transposed 4x4 convolution of stride 2, which doubles the sides exactly (PyTorch's `padding=1`)."""

    def __init__(self, filters: int, *, feature_dtype: str = "float32", **kwargs: Any) -> None:
        """Stores the settings.

        Args:
            filters: output channels.
            feature_dtype: dtype of the computation and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.feature_dtype = feature_dtype

    def build(self, input_shape: Shape) -> None:
        """Creates `kernel` `[4, 4, filters, C]` and `bias` `[filters]`."""
        # He's rule over the kernel's cells, as detectron2 and torchvision start this layer
        stddev = (2.0 / (KERNEL * KERNEL * input_shape[-1])) ** 0.5
        self.kernel = self.add_weight(
            name="kernel",
            shape=(KERNEL, KERNEL, self.filters, input_shape[-1]),
            initializer=keras.initializers.RandomNormal(stddev=stddev),
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        """Doubles the sides of regions' features.

        Args:
            inputs: `[P, S, S, C]`, any float dtype.

        Returns:
            `[P, 2S, 2S, filters]` in `feature_dtype`.
        """
        kernel, bias = (ops.cast(ops.convert_to_tensor(each), self.feature_dtype) for each in (self.kernel, self.bias))
        return ops.conv_transpose(ops.cast(inputs, self.feature_dtype), kernel, strides=STRIDE, padding="same") + bias


class KeypointNetwork(Float32Layer):
    """3x3 convolutions, a transposed convolution to one map a point, and bilinear doubling."""

    def __init__(
        self,
        *,
        num_keypoints: int,
        channels: Sequence[int] = CHANNELS,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_keypoints: K.
            channels: of each convolution.
            feature_dtype: dtype of the convolutions; the logits are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.num_keypoints = num_keypoints
        self.channels = tuple(channels)
        self.feature_dtype = feature_dtype
        self.convolutions = [
            Convolution(count, 3, feature_dtype=feature_dtype, name=f"mrcnn_keypoint_conv{index}")
            for index, count in enumerate(self.channels, start=1)
        ]
        self.deconvolution = Deconvolution(num_keypoints, feature_dtype=feature_dtype, name="mrcnn_keypoint_deconv")

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = (*input_shape[:-1], convolution.filters)
        self.deconvolution.build(input_shape)

    def call(self, features: Tensor) -> Tensor:
        """Predicts a map of each point.

        Args:
            features: `[P, S, S, C]`.

        Returns:
            `[P, 4S, 4S, K]` float32 logits.
        """
        for convolution in self.convolutions:
            features = ops.relu(convolution(features))
        maps = ops.cast(self.deconvolution(features), "float32")
        side = ENLARGED * features.shape[1]
        return ops.image.resize(maps, (side, side), interpolation="bilinear", data_format="channels_last")
