"""The region proposal network as a whole. Source: Faster R-CNN (2015), section 3.1."""

from typing import NamedTuple

import keras

from mrcnn.blocks.base import Float32Layer
from mrcnn.heads.head import Across, Losses
from mrcnn.heads.rpn import loss
from mrcnn.ops import frames
from mrcnn.structures import AnchorTargets, Proposals, Tensor


class AnchorScores(NamedTuple):
    """What the network says of every anchor.

    Attributes:
        anchors: `[A, 4]` float32, pixels of the model input.
        objectness_logits: `[B, A, 2]` (background, object).
        anchor_deltas: `[B, A, 4]`.
    """

    anchors: Tensor
    objectness_logits: Tensor
    anchor_deltas: Tensor


class RpnOutputs(NamedTuple):
    """What the network says of every anchor, beside what the losses compare with.

    Attributes:
        objectness_logits: `[B, A, 2]` (background, object).
        anchor_deltas: `[B, A, 4]`.
        targets: of the same anchors.
    """

    objectness_logits: Tensor
    anchor_deltas: Tensor
    targets: AnchorTargets


class RegionProposals(Float32Layer):
    """Proposes regions that may hold an object, and learns to."""

    loss_names = ("rpn_class_loss", "rpn_bbox_loss")

    def __init__(
        self,
        *,
        anchors: keras.layers.Layer,
        network: keras.layers.Layer,
        proposals: keras.layers.Layer,
        targets: keras.layers.Layer,
        box_normalization: str = "pixels",
        **kwargs,
    ):
        """Keeps the layers; see `AnchorGenerator`, `RpnHead`, `ProposalGenerator` and `AnchorTargetGenerator`.

        Args:
            anchors: places the anchors.
            network: scores and moves them.
            proposals: keeps the best.
            targets: what the losses compare with.
            box_normalization: the frame of the proposals, see `ops.frames`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.anchors, self.network, self.proposals, self.targets = anchors, network, proposals, targets
        self.frame = frames.frame(box_normalization)

    def build(self, input_shape):
        """Creates the weights for P2..P6."""
        self.network.build(input_shape)

    def call(self, pyramid, *, image_size: tuple[int, int], count: int) -> tuple[AnchorScores, Proposals]:
        """Scores the anchors of P2..P6 and proposes the best `count` regions, in the frame of the box head."""
        anchors = self.anchors(pyramid)
        logits, deltas = self.network(pyramid)
        proposals = self.proposals(
            self.frame.enter(anchors),
            logits,
            deltas,
            level_sizes=self.anchors.level_sizes(pyramid),
            image_size=self.frame.extent(image_size),
            count=count,
        )
        return AnchorScores(anchors, logits, deltas), proposals

    def outputs(self, scored: AnchorScores, batch) -> RpnOutputs:
        """Computes what the losses compare with; `batch` maps the names of `Batch`."""
        targets = self.targets(scored.anchors, batch["gt_boxes"], batch["gt_valid"], batch["gt_ignore"], batch["seeds"])
        return RpnOutputs(scored.objectness_logits, scored.anchor_deltas, targets)

    def losses(self, outputs: RpnOutputs, *, across: Across) -> Losses:
        """Computes the two losses by name; `across` adds a count up over the devices."""
        return {
            "rpn_class_loss": loss.rpn_class_loss(outputs.objectness_logits, outputs.targets, across=across),
            "rpn_bbox_loss": loss.rpn_bbox_loss(outputs.anchor_deltas, outputs.targets, across=across),
        }
