"""What the mask loss compares with, for the regions the mask head sees."""

from keras import ops

from mrcnn.blocks.base import Float32Layer
from mrcnn.ops import cells, masks
from mrcnn.structures import MaskTargets, RoiTargets


class MaskTargetGenerator(Float32Layer):
    """Cuts each object region's mask out of its object's stored mask."""

    def __init__(self, *, mask_size: int = 28, form: str = "cells", **kwargs):
        """Keeps the settings.

        Args:
            mask_size: M, side of the mask head's output.
            form: what a target cell holds. `soft`: the share of the cell that the object covers, as torchvision does;
                `cells`: 1 from a half up, else 0; `corners`: the same on a grid from edge to edge, as Matterport does.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.mask_size = mask_size
        self.form = form

    def call(self, targets: RoiTargets, batch, index, *, pixel_rois):
        """Samples the targets of P regions; returns `MaskTargets`.

        Args:
            targets: the sampled regions of the batch, `[B, R, ...]`.
            batch: maps the names of `Batch`.
            index: (image, slot), two `[P]` int32 tensors: which regions, and where in `targets`.
            pixel_rois: `[P, 4]`, these regions in pixels of the model input, whatever frame `targets` is in.
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

    def _rounded(self, cropped):
        if self.form == "soft":
            return cropped
        # Matterport rounds halves to even, so a half is no object there
        return ops.cast(cropped > 0.5 if self.form == "corners" else cropped >= 0.5, "float32")
