"""From classified regions to detections."""

from keras import ops

from mrcnn.layers.base import Float32Layer
from mrcnn.ops import box_coding, boxes, nms
from mrcnn.structures import Proposals


class DetectionGenerator(Float32Layer):
    """Gives every region its best class, then keeps the best regions per class."""

    def __init__(
        self,
        *,
        score_threshold: float = 0.7,
        nms_iou_threshold: float = 0.3,
        max_detections: int = 100,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        **kwargs,
    ):
        """Takes the score below which a region is dropped and the most detections of an image."""
        super().__init__(**kwargs)
        self.score_threshold = score_threshold
        self.nms_iou_threshold = nms_iou_threshold
        self.max_detections = max_detections
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
        class_ids = ops.cast(ops.argmax(probabilities, axis=-1), "int32")  # [B, R]
        scores = ops.max(probabilities, axis=-1)
        deltas = ops.take_along_axis(box_deltas, class_ids[..., None, None], axis=2)[:, :, 0]
        refined = box_coding.decode_boxes(deltas, proposals.boxes, delta_std=tuple(self.delta_std))
        refined = boxes.clip(refined, windows[:, None, :])
        candidate = proposals.valid & (class_ids > 0) & (scores >= self.score_threshold) & (boxes.area(refined) > 0)
        index, valid = nms.class_nms(
            refined,
            scores,
            class_ids,
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
