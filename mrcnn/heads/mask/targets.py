"""The mask head's targets: crops of the objects' masks, one for each object region."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.heads.head import Across
from mrcnn.heads.mask import loss
from mrcnn.ops import cells, masks
from mrcnn.structures import MaskTargets, RoiTargets, Tensor


class MaskTargetGenerator(Float32Layer):
    """Crops each object region's target mask from its object's stored mask.

    Attributes:
        needs: as in `Head`.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, *, mask_size: int = 28, form: str = "cells", **kwargs: Any) -> None:
        """Stores the settings.

        Args:
            mask_size: M, side of the mask head's output in cells.
            form: how targets are computed. `soft`: the share of a cell that the object covers, as torchvision does;
                `cells`: 1 where that share is at least a half, else 0; `corners`: 1 where it is above a half, on a grid
                from edge to edge, as Matterport does.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.mask_size = mask_size
        self.form = form

    def call(
        self,
        targets: RoiTargets,
        batch: Mapping[str, Tensor],
        index: tuple[Tensor, Tensor],
        *,
        pixel_rois: Tensor,
        training: bool = False,
    ) -> MaskTargets:
        """Computes the mask targets of P regions.

        Args:
            targets: the sampled regions of the batch, `[B, R, ...]`.
            batch: the fields of `Batch` by name.
            index: (image, slot), two `[P]` int32 tensors: the regions' positions in `targets`.
            pixel_rois: `[P, 4]`, the P regions in pixels of the model input, whatever the frame of `targets`.
            training: not used.

        Returns:
            `MaskTargets` of the P regions; weight 0 on neutral pixels and on regions of background.
        """
        image, slot = index
        region = image * targets.class_ids.shape[1] + slot
        object_slot = ops.take(ops.reshape(targets.matched_idx, (-1,)), region, axis=0)
        source = image * batch["gt_boxes"].shape[1] + object_slot
        side = batch["gt_masks"].shape[-1]
        cropped = masks.crop_masks(
            ops.take(ops.reshape(batch["gt_masks"], (-1, side, side)), source, axis=0),
            ops.take(ops.reshape(batch["gt_boxes"], (-1, 4)), source, axis=0),
            ops.take(ops.reshape(targets.rois, (-1, 4)), region, axis=0),
            output_size=self.mask_size,
            grid="corners" if self.form == "corners" else "cells",
        )
        class_ids = ops.take(ops.reshape(targets.class_ids, (-1,)), region, axis=0)
        neutral = cells.cells_on(batch["neutral"], image, pixel_rois, size=self.mask_size)
        return MaskTargets(
            masks=ops.stop_gradient(self._rounded(cropped)),
            class_ids=class_ids,
            weights=ops.cast((class_ids > 0)[:, None, None] & ~neutral, "float32"),
        )

    def loss_of(self, logits: Tensor, targets: MaskTargets, *, across: Across) -> Tensor:
        """Computes the loss of predictions for these targets; see `mrcnn_mask_loss`."""
        return loss.mrcnn_mask_loss(logits, targets, across=across)

    def _rounded(self, cropped: Tensor) -> Tensor:
        if self.form == "soft":
            return cropped
        # Matterport rounds halves to even, so a half becomes 0 there
        return ops.cast(cropped > 0.5 if self.form == "corners" else cropped >= 0.5, "float32")
