"""Convolution followed by batch normalisation, folded into one convolution whenever the statistics are fixed.

With fixed statistics, batch normalisation is a scale and a shift per channel, so it can be multiplied into the kernel:
one pass over the feature map instead of three, and no intermediate map kept for the gradient. Gamma and beta still
train.
Source: Ioffe and Szegedy (2015), section 3.1; Matterport's graph for names, epsilon and the frozen statistics.
"""

from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.blocks.convolution import Convolution

EPSILON = 1e-3  # Matterport keeps the Keras default
MOMENTUM = {"frozen": 0.99, "trained": 0.9}  # Keras's 0.99 needs hundreds of steps to forget the first statistics


class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation in float32 whose statistics are `frozen` (never updated) or `trained`."""

    def __init__(self, mode: str = "frozen", **kwargs):
        """Takes `mode`, `frozen` or `trained`; a frozen layer's gamma and beta still train."""
        kwargs.setdefault("dtype", "float32")
        super().__init__(epsilon=EPSILON, momentum=MOMENTUM[mode], **kwargs)
        self.mode = mode

    def get_config(self):
        """Adds `mode`; epsilon and momentum are fixed by this class."""
        config = super().get_config()
        del config["epsilon"], config["momentum"]
        return {**config, "mode": self.mode}

    def uses_batch_statistics(self, training: bool) -> bool:
        """Tells whether this call normalises by the batch's own statistics."""
        return bool(training) and self.mode == "trained" and self.trainable

    def scale_and_shift(self):
        """Gives the fixed-statistics form `y = x * scale + shift`, both `[channels]` float32."""
        scale = self.gamma * ops.rsqrt(self.moving_variance + EPSILON)
        return scale, self.beta - self.moving_mean * scale


class ConvNorm(Float32Layer):
    """A named convolution and its named batch norm, with an optional ReLU behind."""

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
        **kwargs,
    ):
        """Takes the convolution's numbers, both layers' names in weight files, and `batch_norm` frozen or trained."""
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

    def build(self, input_shape):
        """Creates both layers' weights."""
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.conv.filters))

    def call(self, inputs, training=False):
        """Maps `[N, H, W, C]` to `[N, H', W', filters]` in the feature dtype."""
        if self.norm.uses_batch_statistics(training):
            outputs = self.norm(ops.cast(self.conv(inputs), "float32"), training=True)
            outputs = ops.cast(outputs, self.feature_dtype)
        else:
            scale, shift = self.norm.scale_and_shift()
            outputs = self.conv(inputs, scale=scale, shift=shift)
        return ops.relu(outputs) if self.relu else outputs
