"""A 2-D convolution that can take an extra scale and shift per output channel."""

from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer


class Convolution(Float32Layer):
    """A convolution with bias in `feature_dtype`; its variables, and whatever is folded into them, stay float32."""

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        strides: int = 1,
        padding: str = "same",
        kernel_initializer: str | dict[str, Any] = "he_normal",
        initial_stddev: float | None = None,
        feature_dtype: str = "float32",
        **kwargs,
    ):
        """Takes the usual numbers; `initial_stddev`, where given, draws the kernel from a plain normal."""
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.kernel_initializer = kernel_initializer
        self.initial_stddev = initial_stddev
        self.feature_dtype = feature_dtype

    def build(self, input_shape):
        """Creates `kernel` `[k, k, C, filters]` and `bias` `[filters]`."""
        if self.initial_stddev is None:
            initializer = keras.initializers.get(self.kernel_initializer)
        else:
            initializer = keras.initializers.RandomNormal(stddev=self.initial_stddev)
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs, scale=None, shift=None):
        """Maps `[N, H, W, C]` to `[N, H', W', filters]`: `(conv(x) + bias) * scale + shift`.

        Args:
            inputs: any float dtype.
            scale: `[filters]` float32, multiplied into the kernel and the bias; None is 1.
            shift: `[filters]` float32; None is 0.
        """
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if scale is not None:
            kernel, bias = kernel * scale, bias * scale
        if shift is not None:
            bias = bias + shift
        inputs = ops.cast(inputs, self.feature_dtype)
        kernel = ops.cast(kernel, self.feature_dtype)
        if self._covers(inputs):
            # one output cell is a matrix product; on the CPU the gradient of such a convolution is 60 times slower
            flat = ops.reshape(inputs, (-1, inputs.shape[1] * inputs.shape[2] * inputs.shape[3]))
            outputs = ops.matmul(flat, ops.reshape(kernel, (-1, self.filters)))[:, None, None]
        else:
            outputs = ops.conv(inputs, kernel, strides=self.strides, padding=self.padding)
        return outputs + ops.cast(bias, self.feature_dtype)

    def _covers(self, inputs) -> bool:
        """Tells whether the kernel is as large as the map and slides nowhere."""
        return self.padding == "valid" and inputs.shape[1] == inputs.shape[2] == self.kernel_size
