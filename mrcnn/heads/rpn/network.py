"""The region proposal network's layers. Source: Faster R-CNN (2015); channel order and names are Matterport's."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.blocks.convolution import Convolution
from mrcnn.structures import Tensor


class RpnHead(Float32Layer):
    """Shared 3x3 convolutions and two 1x1 output convolutions, applied to every level."""

    def __init__(
        self,
        *,
        anchors_per_cell: int = 3,
        channels: int = 512,
        convolutions: int = 1,
        logits: int = 2,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the convolutions.

        Args:
            anchors_per_cell: how many anchors each cell has.
            channels: of the shared convolutions.
            convolutions: how many shared convolutions there are.
            logits: outputs for each anchor: 2 for background and object, or 1 for the object alone (torchvision,
                detectron2); the background's logit is then 0.
            feature_dtype: dtype of the convolutions; the outputs are float32.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        common: dict[str, Any] = {"initial_stddev": 0.01, "feature_dtype": feature_dtype}
        names = ["rpn_conv_shared", *(f"rpn_conv_shared{number}" for number in range(2, convolutions + 1))]
        self.shared = [Convolution(channels, 3, name=name, **common) for name in names]
        self.logits = logits
        self.objectness = Convolution(logits * anchors_per_cell, 1, name="rpn_class_raw", **common)
        self.deltas = Convolution(4 * anchors_per_cell, 1, name="rpn_bbox_pred", **common)

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Creates the weights; `input_shape` lists the levels' shapes, all with equal channels."""
        shape = input_shape[0]
        for convolution in self.shared:
            convolution.build(shape)
            shape = (*shape[:-1], convolution.filters)
        for output in (self.objectness, self.deltas):
            output.build(shape)

    def call(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Computes objectness logits and box deltas of every anchor.

        Args:
            features: P2..P6, each `[B, Hl, Wl, C]`.

        Returns:
            logits `[B, A, 2]` (background, object) and deltas `[B, A, 4]`, both float32, in the anchors' order.
        """
        logits, deltas = [], []
        for feature in features:
            shared = feature
            for convolution in self.shared:
                shared = ops.relu(convolution(shared))
            logits.append(_by_anchor(self.objectness(shared), self.logits))
            deltas.append(_by_anchor(self.deltas(shared), 4))
        objectness = ops.cast(ops.concatenate(logits, axis=1), "float32")
        if self.logits == 1:
            objectness = ops.concatenate([ops.zeros_like(objectness), objectness], axis=-1)
        return objectness, ops.cast(ops.concatenate(deltas, axis=1), "float32")


def _by_anchor(values: Tensor, size: int) -> Tensor:
    """Reshapes `[B, Hl, Wl, K*size]` to `[B, Hl*Wl*K, size]`; a graph still knows B, or else the number of anchors."""
    batch, height, width, channels = ops.shape(values)
    anchors = height * width * (channels // size)
    known = isinstance(batch, int) and not isinstance(anchors, int)
    return ops.reshape(values, (batch, -1, size) if known else (-1, anchors, size))
