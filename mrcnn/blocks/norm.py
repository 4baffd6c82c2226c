"""Convolution followed by batch normalisation, folded into one convolution whenever the statistics are fixed.

With fixed statistics, batch normalisation is a scale and a shift per channel, so it can be multiplied into the kernel:
one pass over the feature map instead of three, and no intermediate map kept for the gradient. Gamma and beta still
train.
Source: Ioffe and Szegedy (2015), section 3.1; Matterport's graph for names, epsilon and the frozen statistics.
"""

from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.structures import Tensor

EPSILON = 1e-3  # Matterport keeps the Keras default
# with Keras's 0.99 the initial statistics matter for hundreds of steps
MOMENTUM = {"frozen": 0.99, "trained": 0.9, "synchronized": 0.9}


class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation in float32 whose statistics are `frozen` (never updated), `trained` or `synchronized`.

    In training, a `trained` layer uses the statistics of its device's part of the batch, a `synchronized` one those of
    the whole batch, over all devices.
    """

    def __init__(self, mode: str = "frozen", **kwargs: Any) -> None:
        """Stores the mode and fixes Keras's epsilon and momentum.

        Args:
            mode: `frozen`, `trained` or `synchronized`; a frozen layer's gamma and beta still train.
            **kwargs: of the Keras layer.
        """
        kwargs.setdefault("dtype", "float32")
        super().__init__(epsilon=EPSILON, momentum=MOMENTUM[mode], synchronized=mode == "synchronized", **kwargs)
        self.mode = mode

    def get_config(self) -> dict[str, Any]:
        """Adds `mode` to Keras's configuration, instead of what follows from it and the class."""
        config = super().get_config()
        del config["epsilon"], config["momentum"], config["synchronized"]
        return {**config, "mode": self.mode}

    def uses_batch_statistics(self, training: bool) -> bool:
        """Checks whether a call normalises by the batch's own statistics."""
        return bool(training) and self.mode != "frozen" and self.trainable

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Computes the scale and shift that equal this layer with fixed statistics.

        Returns:
            scale and shift of `y = x * scale + shift`, both `[channels]` float32.
        """
        scale = self.gamma * ops.rsqrt(self.moving_variance + EPSILON)
        return scale, self.beta - self.moving_mean * scale


class ConvNorm(Float32Layer):
    """Convolution, batch normalisation and optional ReLU; the first two have names of their own."""

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        conv_name: str,
        norm_name: str,
        strides: int = 1,
        padding: str = "same",
        relu: bool = True,
        kernel_initializer: str | dict[str, Any] = "he_normal",
        batch_norm: str = "frozen",
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds both layers.

        Args:
            filters: output channels.
            kernel_size: side of the square kernel in cells.
            conv_name: the convolution's name in weight files.
            norm_name: the batch norm's name in weight files.
            strides: input cells from one output cell to the next.
            padding: `same` or `valid`.
            relu: whether a ReLU follows.
            kernel_initializer: Keras's name or configuration of an initializer.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`.
            feature_dtype: dtype of the convolution and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.relu = relu
        self.feature_dtype = feature_dtype
        self.conv = Convolution(
            filters,
            kernel_size,
            strides=strides,
            padding=padding,
            kernel_initializer=kernel_initializer,
            feature_dtype=feature_dtype,
            name=conv_name,
        )
        self.norm = BatchNorm(mode=batch_norm, name=norm_name)

    def build(self, input_shape: Shape) -> None:
        """Creates both layers' weights."""
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.conv.filters))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Convolves, normalises and, with `relu`, applies a ReLU.

        Args:
            inputs: `[N, H, W, C]`, any float dtype.
            training: whether batch norm may use the batch's statistics.

        Returns:
            `[N, H', W', filters]` in the feature dtype.
        """
        if self.norm.uses_batch_statistics(training):
            outputs = self.norm(ops.cast(self.conv(inputs), "float32"), training=True)
            outputs = ops.cast(outputs, self.feature_dtype)
        else:
            scale, shift = self.norm.scale_and_shift()
            outputs = self.conv(inputs, scale=scale, shift=shift)
        return ops.relu(outputs) if self.relu else outputs
