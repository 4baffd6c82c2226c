"""From classified regions to detections."""

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import box_coding, boxes, nms
from mrcnn.structures import Proposals


class DetectionGenerator(Float32Layer):
    """Scores regions, moves their boxes and suppresses overlaps.

    `classes` best lets a region be found as its best class only (Matterport); all lets it be found as every class whose
    score suffices (torchvision, detectron2). `nms_scope` class suppresses within a class, all across classes.
    """

    def __init__(
        self,
        *,
        score_threshold: float = 0.7,
        nms_iou_threshold: float = 0.3,
        max_detections: int = 100,
        classes: str = "best",
        nms_scope: str = "class",
        round_boxes: bool = False,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        **kwargs,
    ):
        """Takes the score below which a region is dropped and the most detections of an image.

        `round_boxes` brings boxes to whole numbers before they are compared.
        """
        super().__init__(**kwargs)
        self.score_threshold = score_threshold
        self.nms_iou_threshold = nms_iou_threshold
        self.max_detections = max_detections
        self.classes = classes
        self.nms_scope = nms_scope
        self.round_boxes = round_boxes
        self.delta_std = delta_std

    def call(self, proposals: Proposals, class_logits, box_deltas, windows):
        """Gives (boxes `[B, D, 4]`, class_ids `[B, D]`, scores `[B, D]`, valid `[B, D]`), best first, zeros behind.

        Args:
            proposals: the classified regions.
            class_logits: `[B, R, C]`.
            box_deltas: `[B, R, C, 4]`.
            windows: `[B, 4]`, what boxes are clipped to.
        """
        probabilities = ops.softmax(ops.cast(class_logits, "float32"), axis=-1)
        candidates = _best_class if self.classes == "best" else _every_class
        scores, class_ids, deltas, regions, usable = candidates(probabilities, box_deltas, proposals)
        refined = box_coding.decode_boxes(deltas, regions, delta_std=tuple(self.delta_std))
        refined = boxes.clip(refined, windows[:, None, :])
        if self.round_boxes:
            refined = ops.round(refined)
        candidate = usable & (class_ids > 0) & (scores >= self.score_threshold) & (boxes.area(refined) > 0)
        index, valid = nms.class_nms(
            refined,
            scores,
            class_ids if self.nms_scope == "class" else ops.zeros_like(class_ids),
            candidate,
            iou_threshold=self.nms_iou_threshold,
            max_outputs=self.max_detections,
        )
        return (
            ops.where(valid[..., None], ops.take_along_axis(refined, index[..., None], axis=1), 0.0),
            ops.where(valid, ops.take_along_axis(class_ids, index, axis=1), 0),
            ops.where(valid, ops.take_along_axis(scores, index, axis=1), 0.0),
            valid,
        )


def _best_class(probabilities, box_deltas, proposals):
    """Gives one candidate for each region: scores, class_ids, deltas, boxes, usable, `[B, R, ...]`."""
    class_ids = ops.cast(ops.argmax(probabilities, axis=-1), "int32")
    deltas = ops.take_along_axis(box_deltas, class_ids[..., None, None], axis=2)[:, :, 0]
    return ops.max(probabilities, axis=-1), class_ids, deltas, proposals.boxes, proposals.valid


def _every_class(probabilities, box_deltas, proposals):
    """Gives one candidate for each region and each class but the background, `[B, R * (C - 1), ...]`."""
    slots, objects = probabilities.shape[1], probabilities.shape[2] - 1
    class_ids = ops.broadcast_to(ops.arange(1, objects + 1, dtype="int32"), ops.shape(probabilities[..., 1:]))
    return (
        ops.reshape(probabilities[..., 1:], (-1, slots * objects)),
        ops.reshape(class_ids, (-1, slots * objects)),
        ops.reshape(box_deltas[:, :, 1:], (-1, slots * objects, 4)),
        ops.repeat(proposals.boxes, objects, axis=1),
        ops.repeat(proposals.valid, objects, axis=1),
    )
