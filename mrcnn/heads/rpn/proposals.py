"""Decodes the RPN's outputs to proposals."""

import itertools
from collections.abc import Sequence
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import box_coding, boxes, nms, shapes
from mrcnn.ops.backend.current import native
from mrcnn.structures import Count, Proposals, Tensor


class ProposalGenerator(Float32Layer):
    """Selects the best anchors, moves them by their deltas and suppresses overlapping ones."""

    def __init__(
        self,
        *,
        pre_nms_topk: int = 6000,
        topk_scope: str = "pyramid",
        detach: bool = True,
        nms_iou_threshold: float = 0.7,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        least_side: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            pre_nms_topk: the most anchors that enter the suppression, per image or per level.
            topk_scope: `pyramid`: the best of all levels together, suppressed across levels (Matterport); `level`: the
                best of each level, suppressed within it (torchvision, detectron2), so that each level keeps its best.
            detach: whether no gradient flows from the boxes to the deltas; none flows from the scores in any case.
            nms_iou_threshold: a box is dropped when its IoU with a kept one is above it.
            delta_std: four numbers (dy, dx, dh, dw) that the deltas were divided by when encoded.
            least_side: boxes with a shorter side, or without area, are no proposals; None keeps all.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.pre_nms_topk = pre_nms_topk
        self.topk_scope = topk_scope
        self.detach = detach
        self.nms_iou_threshold = nms_iou_threshold
        self.delta_std = delta_std
        self.least_side = least_side

    def call(
        self,
        anchors: Tensor,
        objectness_logits: Tensor,
        anchor_deltas: Tensor,
        *,
        level_sizes: Sequence[Count],
        limits: Tensor,
        count: int,
        pre_nms_topk: int | None = None,
    ) -> Proposals:
        """Computes the proposals of a batch, best first.

        Args:
            anchors: `[A, 4]` float32, yxyx.
            objectness_logits: `[B, A, 2]` (background, object).
            anchor_deltas: `[B, A, 4]`.
            level_sizes: how many of the anchors belong to each level.
            limits: `[4]` or `[B, 1, 4]` float32, yxyx; boxes are clipped to it.
            count: the most proposals of an image, a Python int.
            pre_nms_topk: replaces the setting of that name in this call; None keeps it.

        Returns:
            `Proposals` with `count` slots.
        """
        logits = ops.cast(ops.stop_gradient(objectness_logits), "float32")
        # the softmax of two logits equals the sigmoid of their difference
        scores = ops.sigmoid(logits[..., 1] - logits[..., 0])
        scores, index, level = self._best(scores, level_sizes, most=pre_nms_topk or self.pre_nms_topk)
        anchor_deltas = ops.stop_gradient(anchor_deltas) if self.detach else anchor_deltas
        deltas = ops.take_along_axis(anchor_deltas, index[..., None], axis=1)
        decoded = box_coding.decode_boxes(deltas, ops.take(anchors, index, axis=0), delta_std=tuple(self.delta_std))
        decoded = boxes.clip(decoded, limits)
        kept, valid = nms.class_nms(
            decoded,
            scores,
            level,
            valid=self._large_enough(decoded),
            iou_threshold=self.nms_iou_threshold,
            max_outputs=count,
        )
        chosen = ops.take_along_axis(decoded, kept[..., None], axis=1)
        return Proposals(
            boxes=ops.where(valid[..., None], chosen, 0.0),
            scores=ops.where(valid, ops.take_along_axis(scores, kept, axis=1), 0.0),
            valid=valid,
        )

    def _large_enough(self, decoded: Tensor) -> Tensor:
        """Finds the boxes `[B, K, 4]` that may be proposals: `[B, K]` bool."""
        if self.least_side is None:
            return ops.ones_like(decoded[..., 0], dtype="bool")
        sides = decoded[..., 2:] - decoded[..., :2]
        return ops.all((sides >= self.least_side) & (sides > 0), axis=-1)

    def _best(self, scores: Tensor, level_sizes: Sequence[Count], *, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """Selects the `most` best anchors of the whole pyramid or of each level.

        Returns:
            scores, indices and levels, each `[B, K]`; with the scope `pyramid` all levels are 0.
        """
        sizes = level_sizes if self.topk_scope == "level" else (sum(level_sizes),)
        starts = (0, *itertools.accumulate(sizes))
        found = []
        for level, (start, size) in enumerate(zip(starts, sizes, strict=False)):
            best, index = native.top_k(scores[:, start : start + size], k=shapes.at_most(most, size))
            found.append((best, ops.cast(index, "int32") + start, ops.full_like(best, level, dtype="int32")))
        return tuple(ops.concatenate(part, axis=1) for part in zip(*found, strict=True))
