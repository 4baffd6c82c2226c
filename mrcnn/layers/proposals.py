"""From RPN outputs to proposals."""

from keras import ops

from mrcnn.layers.base import Float32Layer
from mrcnn.ops import box_coding, boxes, nms
from mrcnn.structures import Proposals


class ProposalGenerator(Float32Layer):
    """Keeps the best anchors of the whole pyramid, moves them by their deltas and suppresses overlaps."""

    def __init__(
        self,
        *,
        pre_nms_topk: int = 6000,
        nms_iou_threshold: float = 0.7,
        delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2),
        **kwargs,
    ):
        """Takes how many anchors of an image enter the suppression, and its IoU limit."""
        super().__init__(**kwargs)
        self.pre_nms_topk = pre_nms_topk
        self.nms_iou_threshold = nms_iou_threshold
        self.delta_std = delta_std

    def call(self, anchors, objectness_logits, anchor_deltas, *, image_size, count):
        """Gives `Proposals` with `count` slots, best first, cut off from the gradient.

        Args:
            anchors: `[A, 4]`.
            objectness_logits: `[B, A, 2]` (background, object).
            anchor_deltas: `[B, A, 4]`.
            image_size: (H, W) of the model input, Python ints.
            count: the most proposals of an image, a Python int.
        """
        logits = ops.cast(ops.stop_gradient(objectness_logits), "float32")
        # softmax over two logits orders and scores like the sigmoid of their difference
        scores = ops.sigmoid(logits[..., 1] - logits[..., 0])
        scores, index = ops.top_k(scores, k=min(self.pre_nms_topk, anchors.shape[0]), sorted=True)
        deltas = ops.take_along_axis(ops.stop_gradient(anchor_deltas), index[..., None], axis=1)
        decoded = box_coding.decode_boxes(deltas, ops.take(anchors, index, axis=0), delta_std=tuple(self.delta_std))
        decoded = boxes.clip(decoded, ops.convert_to_tensor([0.0, 0.0, *image_size], dtype="float32"))
        kept, valid = nms.nms(
            decoded,
            scores,
            ops.ones_like(scores, dtype="bool"),
            iou_threshold=self.nms_iou_threshold,
            max_outputs=count,
        )
        chosen = ops.take_along_axis(decoded, kept[..., None], axis=1)
        return Proposals(
            boxes=ops.where(valid[..., None], chosen, 0.0),
            scores=ops.where(valid, ops.take_along_axis(scores, kept, axis=1), 0.0),
            valid=valid,
        )
