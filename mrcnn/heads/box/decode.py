"""Decodes the box head's outputs to detections.

Shape letters: B images, R regions, C classes with background, K candidates, D detections of one image.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import box_coding, boxes, nms
from mrcnn.ops.backend.current import native
from mrcnn.structures import Choices, Proposals, Tensor

SOFTMAX, SIGMOID = "softmax", "sigmoid"
MOST_CANDIDATES = 2**17  # boxes of an image that are decoded and compared: all for 1000 regions of up to 131 classes
_ROUNDING = 1e-4  # by which the probabilities of a region may add up to more than 1


class Found(NamedTuple):
    """Detections `[B, D, ...]`, best first, zeros in unused slots; used slots come first.

    Attributes:
        boxes: `[B, D, 4]` float32, yxyx; the box head converts them to pixels of the model input.
        class_ids: `[B, D]` int32.
        scores: `[B, D]` float32.
        valid: `[B, D]` bool, the slot is used.
    """

    boxes: Tensor
    class_ids: Tensor
    scores: Tensor
    valid: Tensor


class _Candidates(NamedTuple):
    """Possible detections, each with one class; K per image."""

    scores: Tensor  # [B, K] float32
    class_ids: Tensor  # [B, K] int32
    deltas: Tensor  # [B, K, 4]
    boxes: Tensor  # [B, K, 4] float32, of the region
    valid: Tensor  # [B, K] bool, the slot holds a region


class DetectionGenerator(Float32Layer):
    """Scores regions, moves their boxes and suppresses overlapping ones."""

    def __init__(
        self,
        *,
        classes: str = "best",
        nms_scope: str = "class",
        round_boxes: bool = False,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        least_side: float = 0.0,
        scoring: str = SOFTMAX,
        **kwargs: Any,
    ) -> None:
        """Stores the settings.

        Args:
            classes: `best`: a region can be detected as its best class only (Matterport); `all`: as every class whose
                score reaches the threshold (torchvision, detectron2).
            nms_scope: `class` suppresses within each class, `all` across classes.
            round_boxes: whether boxes are rounded to whole pixels before suppression.
            delta_std: four numbers (dy, dx, dh, dw) that the deltas were divided by when encoded.
            least_side: boxes with a shorter side, or without area, are no detections.
            scoring: see `class_scores`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.classes = classes
        self.nms_scope = nms_scope
        self.round_boxes = round_boxes
        self.delta_std = delta_std
        self.least_side = least_side
        self.scoring = scoring

    def call(
        self, proposals: Proposals, class_logits: Tensor, box_deltas: Tensor, *, windows: Tensor, choices: Choices
    ) -> Found:
        """Computes the detections of a batch, best first; `class_logits` is `[B, R, C]`, the rest as `of_scores`."""
        scores = class_scores(class_logits, scoring=self.scoring)
        return self.of_scores(proposals, scores, box_deltas, windows=windows, choices=choices)

    def of_scores(
        self, proposals: Proposals, class_scores: Tensor, box_deltas: Tensor, *, windows: Tensor, choices: Choices
    ) -> Found:
        """Computes the detections of regions whose class scores are known, best first.

        Args:
            proposals: the classified regions.
            class_scores: `[B, R, C]` float32 probabilities.
            box_deltas: `[B, R, C, 4]`.
            windows: `[B, 4]`, boxes are clipped to them; same frame as the proposals.
            choices: score threshold, NMS threshold and D, the slots of the result per image.

        Returns:
            The detections, boxes in the frame of the proposals. If `classes` is `all`, they are exact as long as at
            most `candidate_limit` pairs of a region and a class reach the score threshold; of more, the best are used.
        """
        found = self._candidates(class_scores, box_deltas, proposals, score_threshold=choices.score_threshold)
        scores, class_ids = found.scores, found.class_ids
        refined = box_coding.decode_boxes(found.deltas, found.boxes, delta_std=tuple(self.delta_std))
        refined = boxes.clip(refined, windows[:, None, :])
        if self.round_boxes:
            refined = ops.round(refined)
        candidate = found.valid & (class_ids > 0) & (scores >= choices.score_threshold) & (boxes.area(refined) > 0)
        if self.least_side:
            candidate = candidate & ops.all(refined[..., 2:] - refined[..., :2] >= self.least_side, axis=-1)
        index, valid = nms.class_nms(
            refined,
            scores,
            class_ids if self.nms_scope == "class" else ops.zeros_like(class_ids),
            valid=candidate,
            iou_threshold=choices.detection_nms_iou_threshold,
            max_outputs=choices.detections_per_image,
        )
        return Found(
            boxes=ops.where(valid[..., None], ops.take_along_axis(refined, index[..., None], axis=1), 0.0),
            class_ids=ops.where(valid, ops.take_along_axis(class_ids, index, axis=1), 0),
            scores=ops.where(valid, ops.take_along_axis(scores, index, axis=1), 0.0),
            valid=valid,
        )

    def _candidates(
        self, scores: Tensor, box_deltas: Tensor, proposals: Proposals, *, score_threshold: float
    ) -> _Candidates:
        if self.classes == "best":
            return _best_class(scores, box_deltas, proposals)
        pairs = (scores.shape[1], scores.shape[2] - 1)
        limit = candidate_limit(*pairs, score_threshold=score_threshold, scoring=self.scoring)
        if limit == pairs[0] * pairs[1]:
            return _every_class(scores, box_deltas, proposals)
        return _best_pairs(scores, box_deltas, proposals, score_threshold=score_threshold, count=limit)


def candidate_limit(slots: int, objects: int, *, score_threshold: float, scoring: str = SOFTMAX) -> int:
    """Computes how many pairs of a region and a class can become detections of an image.

    With few classes these are all pairs. With many, whose boxes would need much memory, they are at most
    `MOST_CANDIDATES`, and no more than can reach the threshold where the scores of a region add up to 1.

    Args:
        slots: number of regions.
        objects: number of classes without background.
        score_threshold: detections that score less are dropped.
        scoring: see `class_scores`.
    """
    pairs = slots * objects
    if pairs <= MOST_CANDIDATES:
        return pairs
    if scoring == SOFTMAX and score_threshold > 0:
        return min(MOST_CANDIDATES, pairs, slots * max(1, int((1 + _ROUNDING) / score_threshold)))
    return MOST_CANDIDATES


def class_scores(class_logits: Tensor, *, scoring: str = SOFTMAX) -> Tensor:
    """Converts logits to scores.

    Args:
        class_logits: `[..., C]`.
        scoring: `softmax`: probabilities that add up to 1 with that of the background; `sigmoid`: a probability for
            each class, and 0 for the background, which has none.

    Returns:
        `[..., C]` float32.
    """
    logits = ops.cast(class_logits, "float32")
    if scoring == SOFTMAX:
        return ops.softmax(logits, axis=-1)
    scores = ops.sigmoid(logits[..., 1:])
    return ops.concatenate([ops.zeros_like(scores[..., :1]), scores], axis=-1)


def _best_class(probabilities: Tensor, box_deltas: Tensor, proposals: Proposals) -> _Candidates:
    """Selects one candidate for each region: its class of highest probability."""
    scores, found = native.top_k(probabilities, k=1)  # Keras's argmax has an operator that ONNX lacks
    class_ids = ops.cast(found[..., 0], "int32")
    deltas = ops.take_along_axis(box_deltas, class_ids[..., None, None], axis=2)[:, :, 0]
    return _Candidates(scores[..., 0], class_ids, deltas, proposals.boxes, proposals.valid)


def _every_class(probabilities: Tensor, box_deltas: Tensor, proposals: Proposals) -> _Candidates:
    """Lists one candidate for each region and each class but the background."""
    slots, objects = probabilities.shape[1], probabilities.shape[2] - 1
    class_ids = ops.broadcast_to(ops.arange(1, objects + 1, dtype="int32"), ops.shape(probabilities[..., 1:]))
    return _Candidates(
        scores=ops.reshape(probabilities[..., 1:], (-1, slots * objects)),
        class_ids=ops.reshape(class_ids, (-1, slots * objects)),
        deltas=ops.reshape(box_deltas[:, :, 1:], (-1, slots * objects, 4)),
        boxes=ops.repeat(proposals.boxes, objects, axis=1),
        valid=ops.repeat(proposals.valid, objects, axis=1),
    )


def _best_pairs(
    probabilities: Tensor, box_deltas: Tensor, proposals: Proposals, *, score_threshold: float, count: int
) -> _Candidates:
    """Lists the `count` pairs of a region and an object class of highest probability, best first.

    Pairs below the threshold are not valid. Of equal ones the first come first, as in `_every_class`.
    """
    slots, classes = probabilities.shape[1:]
    # the threshold is checked again later; here it makes the many weak pairs equal, which are faster to rank
    usable = proposals.valid[..., None] & (np.arange(classes) > 0) & (probabilities >= score_threshold)
    ranked = ops.reshape(ops.where(usable, probabilities, -1.0), (-1, slots * classes))
    scores, index = native.top_k(ranked, k=count)
    index = ops.cast(index, "int32")
    first = ops.arange(ops.shape(index)[0], dtype="int32")[:, None]
    regions = ops.floor_divide(index, classes)
    return _Candidates(
        scores=scores,
        class_ids=index - regions * classes,
        deltas=ops.take(ops.reshape(box_deltas, (-1, 4)), first * (slots * classes) + index, axis=0),
        boxes=ops.take(ops.reshape(proposals.boxes, (-1, 4)), first * slots + regions, axis=0),
        valid=scores >= 0,
    )
