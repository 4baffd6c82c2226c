"""Targets of a mask head that learns from labelled points: each region's points of its object.

Shape letters: B images, N slots of objects, P regions, K points of an object.
Source: Cheng, Parkhi and Kirillov (2021), Pointly-Supervised Instance Segmentation, sections 3 and 4.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.heads.head import Across
from mrcnn.heads.mask.point_loss import mrcnn_point_loss
from mrcnn.ops import boxes, cells, sampling
from mrcnn.structures import RoiTargets, Tensor

FIELD = "mask_points"


class PointTargets(NamedTuple):
    """Labelled points of P regions.

    Attributes:
        places: `[P, K, 2]` float32, (x, y) in shares of the region's sides: 0 left or top, 1 right or bottom.
        labels: `[P, K]` float32, 1 for a point of the object, 0 for one of the background and for no point.
        class_ids: `[P]` int32, 0 for a region of background.
        weights: `[P, K]` float32, 1 for a point that counts, else 0.
        drawn: `[P, K]` float32, 1 for a point that was drawn, which counts unless it is ignored, else 0.
    """

    places: Tensor
    labels: Tensor
    class_ids: Tensor
    weights: Tensor
    drawn: Tensor


class PointTargetGenerator(Float32Layer):
    """Finds the labelled points of each object region's object.

    Attributes:
        needs: as in `Head`.
    """

    needs: tuple[str, ...] = (FIELD,)

    def __init__(self, *, share: float = 0.5, **kwargs: Any) -> None:
        """Stores the settings.

        Args:
            share: of an object's points that count in a training step, drawn anew each time; 1 for all.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.share = share

    def call(
        self,
        targets: RoiTargets,
        batch: Mapping[str, Tensor],
        index: tuple[Tensor, Tensor],
        *,
        pixel_rois: Tensor,
        training: bool = False,
    ) -> PointTargets:
        """Finds the points of P regions.

        Args:
            targets: the sampled regions of the batch, `[B, R, ...]`.
            batch: the fields of `Batch` by name, and `gt_mask_points` `[B, N, K, 3]`: x, y in pixels of the model
                input, and a label: 1 object, 0 background, -1 no point.
            index: (image, slot), two `[P]` int32 tensors: the regions' positions in `targets`.
            pixel_rois: `[P, 4]`, the P regions in pixels of the model input, whatever the frame of `targets`.
            training: whether `share` of the points are drawn; else all count.

        Returns:
            `PointTargets` of the P regions. Points outside the region or the image and on neutral pixels are ignored;
            regions of background have none.
        """
        image, slot = index
        region = image * targets.class_ids.shape[1] + slot
        object_slot = ops.take(ops.reshape(targets.matched_idx, (-1,)), region, axis=0)
        class_ids = ops.take(ops.reshape(targets.class_ids, (-1,)), region, axis=0)
        points = ops.cast(batch[f"gt_{FIELD}"], "float32")
        used = points[..., 2] >= 0
        if training:
            used = sampling.sample_points(used, batch["seeds"], share=self.share)
        slots, count = points.shape[1:3]
        source = image * slots + object_slot
        own = ops.take(ops.reshape(points, (-1, count, 3)), source, axis=0)
        drawn = ops.take(ops.reshape(used, (-1, count)), source, axis=0) & (class_ids > 0)[:, None]
        places, labels, inside = point_targets(own, pixel_rois)
        inside &= _inside(own, ops.take(batch["windows"], image, axis=0))
        inside &= ~cells.points_on(batch["neutral"], image, own[..., :2])
        return PointTargets(
            places, labels, class_ids, weights=ops.cast(drawn & inside, "float32"), drawn=ops.cast(drawn, "float32")
        )

    def loss_of(self, logits: Tensor, targets: PointTargets, *, across: Across) -> Tensor:
        """Computes the loss of predictions for these targets; see `mrcnn_point_loss`."""
        return mrcnn_point_loss(logits, **targets._asdict(), across=across)


def point_targets(points: Tensor, rois: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Converts points from pixels to shares of their regions.

    Args:
        points: `[P, K, 3]` float32: x, y in pixels, and the label: 1 object, 0 background, -1 no point.
        rois: `[P, 4]` float32, yxyx in the same pixels.

    Returns:
        Places `[P, K, 2]` (x, y) float32 and labels `[P, K]` float32, as in `PointTargets`; and `[P, K]` bool, whether
        the point has a label and is inside its region or on its edge. In a region without area no point is.
    """
    start, end = boxes.corners_xy(rois[:, None])  # [P, 1, 2]
    sides = end - start
    places = (points[..., :2] - start) / ops.where(sides > 0, sides, 1.0)
    inside = ops.all((places >= 0) & (places <= 1) & (sides > 0), axis=-1) & (points[..., 2] >= 0)
    return ops.stop_gradient(places), ops.cast(points[..., 2] > 0, "float32"), inside


def _inside(points: Tensor, windows: Tensor) -> Tensor:
    """Checks which points `[P, K, 3]` (x, y, …) are inside windows `[P, 4]` yxyx: `[P, K]` bool."""
    start, end = boxes.corners_xy(windows[:, None])
    return ops.all((points[..., :2] >= start) & (points[..., :2] < end), axis=-1)
