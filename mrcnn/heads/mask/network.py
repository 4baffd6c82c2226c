"""The mask head's network. Source: Mask R-CNN (2017), figure 4; names are Matterport's."""

from typing import Any

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.blocks.initial import INITIAL_VALUES
from mrcnn.blocks.norm import EPSILON, BatchNorm, ConvNorm
from mrcnn.structures import Tensor


class Upsampling(Float32Layer):
    """Transposed 2x2 convolution of stride 2, with Keras's kernel layout `[2, 2, out, in]`.

    The stride equals the kernel's side, so outputs do not overlap, and a matrix product with a reshape computes it.
    """

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
        """Creates `kernel` `[2, 2, filters, C]` and `bias` `[filters]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(2, 2, self.filters, input_shape[-1]),
            # He's rule with the input channels as the fan: each output cell sees one input cell
            initializer=keras.initializers.RandomNormal(stddev=(2.0 / input_shape[-1]) ** 0.5),
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        """Doubles the sides of regions' features.

        Args:
            inputs: `[P, S, S, C]` in `feature_dtype`.

        Returns:
            `[P, 2S, 2S, filters]` in `feature_dtype`.
        """
        return depth_to_space(self.cell_outputs(inputs))

    def cell_outputs(self, inputs: Tensor) -> Tensor:
        """Computes the outputs without moving them to their places.

        Args:
            inputs: `[P, S, S, C]` in `feature_dtype`.

        Returns:
            `[P, S, S * 4, filters]` in `feature_dtype`: each cell's 2 x 2 outputs, row by row, lie beside each other.
        """
        side, channels = inputs.shape[1], inputs.shape[3]
        kernel = ops.transpose(ops.convert_to_tensor(self.kernel), (3, 0, 1, 2))  # [C, 2, 2, filters]
        kernel = ops.cast(ops.reshape(kernel, (channels, 4 * self.filters)), self.feature_dtype)
        outputs = ops.matmul(ops.reshape(inputs, (-1, channels)), kernel)
        outputs = ops.reshape(outputs, (-1, side, side * 4, self.filters))
        return outputs + ops.cast(ops.convert_to_tensor(self.bias), self.feature_dtype)


def depth_to_space(blocks: Tensor) -> Tensor:
    """Moves each cell's 2 x 2 values to their places in a map of twice the side.

    Args:
        blocks: `[P, S, S * 4, C]`, as from `Upsampling.cell_outputs`.

    Returns:
        `[P, 2S, 2S, C]`.
    """
    side, channels = blocks.shape[1], blocks.shape[3]
    values = ops.transpose(ops.reshape(blocks, (-1, side, side, 2, 2, channels)), (0, 1, 3, 2, 4, 5))
    return ops.reshape(values, (-1, 2 * side, 2 * side, channels))  # from [P, S, 2, S, 2, C]


class MaskHead(Float32Layer):
    """Four 3x3 convolutions, a 2x upsampling and a 1x1 convolution to one mask per class.

    Attributes:
        class_layers: names of the layers whose shapes depend on the classes, which transfer learning does not load.
            With `class_agnostic` the shape does not depend on them, but the layer is not loaded either.
    """

    class_layers = ("mrcnn_mask",)

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = 256,
        initial_values: str = "he",
        batch_norm: str | None = "frozen",
        epsilon: float = EPSILON,
        use_bias: bool = True,
        class_agnostic: bool = False,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the layers.

        Args:
            num_classes: with background.
            channels: of the inner convolutions.
            initial_values: a key of `INITIAL_VALUES`.
            batch_norm: `frozen`, `trained` or `synchronized`, see `BatchNorm`; None for none.
            epsilon: of the batch norms.
            use_bias: whether convolutions with a batch norm have a bias; those without one always have.
            class_agnostic: whether a region has one mask for all classes.
            feature_dtype: dtype of the convolutions; the logits are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.convolutions = [
            ConvNorm(
                Convolution(
                    channels,
                    3,
                    use_bias=use_bias or batch_norm is None,
                    feature_dtype=feature_dtype,
                    name=f"mrcnn_mask_conv{index}",
                ),
                BatchNorm(batch_norm, epsilon=epsilon, name=f"mrcnn_mask_bn{index}") if batch_norm else None,
            )
            for index in (1, 2, 3, 4)
        ]
        self.upsampling = Upsampling(channels, feature_dtype=feature_dtype, name="mrcnn_mask_deconv")
        self.num_classes, self.class_agnostic = num_classes, class_agnostic
        self.logits = Convolution(
            1 if class_agnostic else num_classes,
            1,
            kernel_initializer=INITIAL_VALUES[initial_values].mask_logits,
            feature_dtype=feature_dtype,
            name="mrcnn_mask",
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the weights; only the channels of `input_shape` count."""
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = (*input_shape[:-1], convolution.conv.filters)
        self.upsampling.build(input_shape)
        self.logits.build((*input_shape[:-1], self.upsampling.filters))

    def call(self, regions: Tensor, training: bool = False) -> Tensor:
        """Computes the mask logits of regions.

        Args:
            regions: `[P, S, S, C]`, at least one region: without any, TensorFlow's oneDNN convolution returns a wrong
                shape.
            training: whether batch norm may use the batch's statistics.

        Returns:
            `[P, 2S, 2S, num_classes]` float32.
        """
        outputs = regions
        for convolution in self.convolutions:
            outputs = convolution(outputs, training=training)
        # every cell's logits depend on its own features alone, so the smaller tensor is the one that is rearranged
        blocks = self.logits(ops.relu(self.upsampling.cell_outputs(outputs)))
        logits = ops.cast(depth_to_space(blocks), "float32")
        return ops.repeat(logits, self.num_classes, axis=-1) if self.class_agnostic else logits
