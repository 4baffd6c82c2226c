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
MOMENTUM = {"fixed": 0.99, "frozen": 0.99, "trained": 0.9, "synchronized": 0.9}


class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation in float32 whose statistics are `frozen`, `trained` or `synchronized`, or all `fixed`.

    In training, a `trained` layer uses the statistics of its device's part of the batch, a `synchronized` one those of
    the whole batch, over all devices.
    """

    def __init__(self, mode: str = "frozen", *, epsilon: float = EPSILON, **kwargs: Any) -> None:
        """Stores the mode and fixes Keras's momentum.

        Args:
            mode: `trained`; `synchronized`; `frozen`: the statistics are never updated, gamma and beta train; or
                `fixed`: nothing trains, as in the frozen batch norm of torchvision and detectron2.
            epsilon: added to the variance; 0 or more.
            **kwargs: of the Keras layer.
        """
        kwargs.setdefault("dtype", "float32")
        super().__init__(epsilon=epsilon, momentum=MOMENTUM[mode], synchronized=mode == "synchronized", **kwargs)
        self.mode = mode

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """Creates a variable; with `fixed` one that never trains, whatever `trainable` is set to later.

        Args:
            *args: of the Keras layer.
            **kwargs: of the Keras layer.
        """
        if self.mode == "fixed":
            kwargs["trainable"] = False
        return super().add_weight(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Adds `mode` to Keras's configuration, instead of what follows from it and the class."""
        config = super().get_config()
        del config["momentum"], config["synchronized"]
        return {**config, "mode": self.mode}

    def uses_batch_statistics(self, training: bool) -> bool:
        """Checks whether a call normalises by the batch's own statistics."""
        return bool(training) and self.mode in ("trained", "synchronized") and self.trainable

    def scale_and_shift(self) -> tuple[Tensor, Tensor]:
        """Computes the scale and shift that equal this layer with fixed statistics.

        Returns:
            scale and shift of `y = x * scale + shift`, both `[channels]` float32.
        """
        scale = self.gamma * ops.rsqrt(self.moving_variance + self.epsilon)
        return scale, self.beta - self.moving_mean * scale


class ConvNorm(Float32Layer):
    """Convolution, optional batch normalisation and optional ReLU.

    Attributes:
        conv: the convolution.
        norm: the batch norm; None without one.
        relu: whether a ReLU follows.
    """

    def __init__(self, conv: Convolution, norm: BatchNorm | None = None, *, relu: bool = True, **kwargs: Any) -> None:
        """Stores the layers, which keep their own names in weight files.

        Args:
            conv: the convolution; it sets the dtype of the outputs.
            norm: the batch norm; None for none.
            relu: whether a ReLU follows.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.conv, self.norm, self.relu = conv, norm, relu

    def build(self, input_shape: Shape) -> None:
        """Creates the layers' weights."""
        self.conv.build(input_shape)
        if self.norm is not None:
            self.norm.build((*input_shape[:-1], self.conv.filters))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Convolves, normalises where there is a batch norm, and, with `relu`, applies a ReLU.

        Args:
            inputs: `[N, H, W, C]`, any float dtype.
            training: whether batch norm may use the batch's statistics.

        Returns:
            `[N, H', W', filters]` in the feature dtype.
        """
        if self.norm is None:
            outputs = self.conv(inputs)
        elif self.norm.uses_batch_statistics(training):
            outputs = self.norm(ops.cast(self.conv(inputs), "float32"), training=True)
            outputs = ops.cast(outputs, self.conv.feature_dtype)
        else:
            scale, shift = self.norm.scale_and_shift()
            outputs = self.conv(inputs, scale=scale, shift=shift)
        return ops.relu(outputs) if self.relu else outputs
