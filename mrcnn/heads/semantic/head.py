"""The semantic head: the class of each pixel. Source: Kirillov et al. (2019), Panoptic Feature Pyramid Networks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from mrcnn.blocks.base import Shape
from mrcnn.heads.head import Across, Losses
from mrcnn.heads.image_head import ImageHead
from mrcnn.heads.semantic.loss import mrcnn_semantic_loss
from mrcnn.heads.semantic.network import CHANNELS, GROUPS, SemanticNetwork, enlarged
from mrcnn.structures import SEMANTIC, Tensor

LOSS = "mrcnn_semantic_loss"
STRIDE = 4  # pixels of the model input from cell to cell of the logits


class SemanticOutputs(NamedTuple):
    """Predictions for the images of a batch, with their targets.

    Attributes:
        logits: `[B, H / 4, W / 4, C]` float32.
        classes: `[B, H, W]` uint8.
    """

    logits: Tensor
    classes: Tensor


class Semantic(ImageHead):
    """Semantic head: predicts for each pixel a stuff class, or that it belongs to a thing, which is class 0."""

    maps = (SEMANTIC,)
    loss_names = (LOSS,)
    loss_labels: ClassVar[Mapping[str, str]] = {LOSS: "semantic map"}
    loss_weights: ClassVar[Mapping[str, float]] = {LOSS: 0.5}
    class_layers = ("mrcnn_semantic_predictor",)

    def __init__(
        self,
        *,
        stuff_classes: int,
        channels: int = CHANNELS,
        groups: int = GROUPS,
        feature_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        """Builds the network.

        Args:
            stuff_classes: their number, at least 1.
            channels: as for `SemanticNetwork`.
            groups: as for `SemanticNetwork`.
            feature_dtype: as for `SemanticNetwork`.
            **kwargs: of the Keras layer.

        Raises:
            ValueError: there is no stuff class, or as `SemanticNetwork`.
        """
        super().__init__(**kwargs)
        if stuff_classes < 1:
            raise ValueError(f"a semantic head needs a stuff class, got {stuff_classes}")
        self.stuff_classes, self.channels, self.groups = stuff_classes, channels, groups
        self.feature_dtype = feature_dtype
        self.network = SemanticNetwork(
            num_classes=stuff_classes + 1,
            channels=channels,
            groups=groups,
            feature_dtype=feature_dtype,
            name="mrcnn_semantic",
        )

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for a pyramid of maps `[B, Hl, Wl, C]`."""
        self.network.build(input_shape)

    def outputs(self, pyramid: Sequence[Tensor], batch: Mapping[str, Tensor], *, training: bool) -> SemanticOutputs:
        """Predicts the classes of the images' pixels; see `ImageHead.outputs`."""
        return SemanticOutputs(self.network(pyramid), batch["gt_semantic"])

    def losses(self, outputs: SemanticOutputs, *, across: Across) -> Losses:
        """Computes the loss at the size of the model input, by name; see `Head.losses`."""
        logits = enlarged(outputs.logits, STRIDE)
        return {LOSS: mrcnn_semantic_loss(logits, outputs.classes, across=across)}

    def decode(self, pyramid: Sequence[Tensor]) -> dict[str, Tensor]:
        """Predicts the classes of the images' pixels; see `ImageHead.decode`.

        Returns:
            `semantic`: `[B, H / 4, W / 4, C]` float32 logits.
        """
        return {SEMANTIC: self.network(pyramid)}
