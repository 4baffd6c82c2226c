"""2-D convolution with an optional scale and shift per output channel."""

from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.structures import Tensor


class Convolution(Float32Layer):
    """2-D convolution, computed in `feature_dtype`; its variables are float32.

    A scale and a shift are folded into kernel and bias in float32, before the cast. Where the output is a single cell,
    the kernel has far more values than the output, so the output is scaled instead.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = True,
        kernel_initializer: str | dict[str, Any] = "he_normal",
        initial_stddev: float | None = None,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            filters: output channels.
            kernel_size: side of the square kernel in cells.
            strides: input cells from one output cell to the next.
            padding: `same`, `valid`, or `symmetric`: half a kernel on each side whatever the stride, as PyTorch does,
                where `same` with a stride of 2 pads an even map only at its end.
            use_bias: whether a bias is added.
            kernel_initializer: Keras's name or configuration of an initializer.
            initial_stddev: standard deviation of a normal initializer, which then replaces `kernel_initializer`.
            feature_dtype: dtype of the computation and of the outputs.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = kernel_initializer
        self.initial_stddev = initial_stddev
        self.feature_dtype = feature_dtype

    def build(self, input_shape: Shape) -> None:
        """Creates `kernel` `[k, k, C, filters]` and, with `use_bias`, `bias` `[filters]`."""
        if self.initial_stddev is None:
            initializer = keras.initializers.get(self.kernel_initializer)
        else:
            initializer = keras.initializers.RandomNormal(stddev=self.initial_stddev)
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros") if self.use_bias else None

    def call(self, inputs: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        """Computes `(conv(inputs) + bias) * scale + shift`.

        Args:
            inputs: `[N, H, W, C]`, any float dtype.
            scale: `[filters]` float32; None is 1.
            shift: `[filters]` float32; None is 0.

        Returns:
            `[N, H', W', filters]` in `feature_dtype`.
        """
        kernel, bias = ops.convert_to_tensor(self.kernel), self._bias(scale=scale, shift=shift)
        inputs = ops.cast(inputs, self.feature_dtype)
        if self._covers(inputs):
            return self._matmul(inputs, kernel, bias, scale=scale)
        if scale is not None:
            kernel = kernel * scale
        kernel = ops.cast(kernel, self.feature_dtype)
        if self.padding == "symmetric":
            both = (self.kernel_size // 2, self.kernel_size // 2)
            inputs = ops.pad(inputs, ((0, 0), both, both, (0, 0)))
        padding = "valid" if self.padding == "symmetric" else self.padding
        outputs = ops.conv(inputs, kernel, strides=self.strides, padding=padding)
        return outputs if bias is None else outputs + ops.cast(bias, self.feature_dtype)

    def _bias(self, *, scale: Tensor | None, shift: Tensor | None) -> Tensor | None:
        """Computes `bias * scale + shift` in float32; None where nothing is added."""
        if self.bias is None:
            return shift
        bias = ops.convert_to_tensor(self.bias)
        if scale is not None:
            bias = bias * scale
        return bias if shift is None else bias + shift

    def _matmul(self, inputs: Tensor, kernel: Tensor, bias: Tensor | None, *, scale: Tensor | None) -> Tensor:
        """Computes a single output cell as a matrix product.

        On one CPU the gradient of `ops.conv` took 60 times as long; see docs/results.md.
        """
        flat = ops.reshape(inputs, (-1, inputs.shape[1] * inputs.shape[2] * inputs.shape[3]))
        outputs = ops.matmul(flat, ops.cast(ops.reshape(kernel, (-1, self.filters)), self.feature_dtype))
        outputs = ops.cast(outputs, "float32")
        if scale is not None:
            outputs = outputs * scale
        outputs = outputs if bias is None else outputs + bias
        return ops.cast(outputs, self.feature_dtype)[:, None, None]

    def _covers(self, inputs: Tensor) -> bool:
        """Checks whether the kernel covers the whole map, so that the output is one cell."""
        return self.padding == "valid" and inputs.shape[1] == inputs.shape[2] == self.kernel_size
