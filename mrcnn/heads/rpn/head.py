"""The region proposal network: anchors to proposals and losses. Source: Faster R-CNN (2015), section 3.1."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.heads.head import Across, Losses
from mrcnn.heads.rpn import loss
from mrcnn.ops import frames
from mrcnn.structures import AnchorTargets, Proposals, Size, Tensor


class AnchorScores(NamedTuple):
    """The network's predictions for every anchor.

    Attributes:
        anchors: `[A, 4]` float32, pixels of the model input.
        objectness_logits: `[B, A, 2]` (background, object).
        anchor_deltas: `[B, A, 4]`.
    """

    anchors: Tensor
    objectness_logits: Tensor
    anchor_deltas: Tensor


class RpnOutputs(NamedTuple):
    """The network's predictions for every anchor, with their targets.

    Attributes:
        objectness_logits: `[B, A, 2]` (background, object).
        anchor_deltas: `[B, A, 4]`.
        targets: of the same anchors.
    """

    objectness_logits: Tensor
    anchor_deltas: Tensor
    targets: AnchorTargets


class RegionProposals(Float32Layer):
    """Region proposal network: proposes regions that may contain an object."""

    loss_names = ("rpn_class_loss", "rpn_bbox_loss")
    loss_labels: ClassVar[Mapping[str, str]] = {"rpn_class_loss": "RPN class", "rpn_bbox_loss": "RPN box"}

    def __init__(
        self,
        *,
        anchors: keras.layers.Layer,
        network: keras.layers.Layer,
        proposals: keras.layers.Layer,
        targets: keras.layers.Layer,
        box_normalization: str = "pixels",
        box_loss_average: str = "objects",
        box_loss_beta: float | None = None,
        clip_to_windows: bool = False,
        **kwargs: Any,
    ) -> None:
        """Stores the layers.

        Args:
            anchors: places the anchors; an `AnchorGenerator`.
            network: predicts objectness and deltas of anchors; a `RpnHead`.
            proposals: decodes and suppresses; a `ProposalGenerator`.
            targets: samples anchors and computes their targets; an `AnchorTargetGenerator`.
            box_normalization: the frame in which anchors become proposals, see `ops.frames`.
            box_loss_average: see `reduction.box_loss`.
            box_loss_beta: see `reduction.box_loss`.
            clip_to_windows: whether proposals are clipped to the un-padded part of the model input (torchvision,
                detectron2) or to the whole of it (Matterport).
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.anchors, self.network, self.proposals, self.targets = anchors, network, proposals, targets
        self.frame = frames.frame(box_normalization)
        self.box_loss_average, self.box_loss_beta = box_loss_average, box_loss_beta
        self.clip_to_windows = clip_to_windows

    def build(self, input_shape: Sequence[Shape]) -> None:
        """Creates the weights; `input_shape` lists the shapes of P2..P6."""
        self.network.build(input_shape)

    def call(
        self,
        pyramid: Sequence[Tensor],
        *,
        image_size: Size,
        count: int,
        windows: Tensor | None = None,
        pre_nms_topk: int | None = None,
    ) -> tuple[AnchorScores, Proposals]:
        """Scores the anchors of the pyramid and proposes the best regions.

        Args:
            pyramid: P2..P6, each `[B, Hl, Wl, C]`.
            image_size: (H, W) of the model input.
            count: the most proposals of an image.
            windows: `[B, 4]` float32, the un-padded part of each image, yxyx pixels; needed by `clip_to_windows`.
            pre_nms_topk: as for `ProposalGenerator`.

        Returns:
            The anchors with their predictions, and proposals with `count` slots.
        """
        anchors = self.anchors(pyramid, image_size=image_size)
        logits, deltas = self.network(pyramid)
        proposals = self.proposals(
            self.frame.enter(anchors),
            logits,
            deltas,
            level_sizes=self.anchors.level_sizes(pyramid),
            limits=self._limits(windows, image_size),
            count=count,
            pre_nms_topk=pre_nms_topk,
        )
        boxes = ops.where(proposals.valid[..., None], self.frame.leave(proposals.boxes), 0.0)
        return AnchorScores(anchors, logits, deltas), proposals._replace(boxes=boxes)

    def _limits(self, windows: Tensor | None, image_size: Size) -> Tensor:
        if self.clip_to_windows:
            return self.frame.enter(windows)[:, None]
        return ops.convert_to_tensor([0.0, 0.0, *self.frame.extent(image_size)], dtype="float32")

    def outputs(self, scored: AnchorScores, batch: Mapping[str, Tensor]) -> RpnOutputs:
        """Computes the targets of the anchors.

        Args:
            scored: the anchors with their predictions.
            batch: the fields of `Batch` by name.

        Returns:
            Predictions and targets, the argument of `losses`.
        """
        targets = self.targets(scored.anchors, batch)
        return RpnOutputs(scored.objectness_logits, scored.anchor_deltas, targets)

    def losses(self, outputs: RpnOutputs, *, across: Across) -> Losses:
        """Computes the objectness and the box loss, by name; see `Head.losses`."""
        return {
            "rpn_class_loss": loss.rpn_class_loss(outputs.objectness_logits, outputs.targets, across=across),
            "rpn_bbox_loss": loss.rpn_bbox_loss(
                outputs.anchor_deltas,
                outputs.targets,
                average=self.box_loss_average,
                beta=self.box_loss_beta,
                across=across,
            ),
        }
