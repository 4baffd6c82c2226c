"""The mask head: predicts, trains and decodes masks. Source: Mask R-CNN (2017), section 3."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from mrcnn.blocks.base import Shape
from mrcnn.heads import slots
from mrcnn.heads.head import Across, Head, Losses
from mrcnn.heads.mask import loss
from mrcnn.heads.mask.point_targets import PointTargets
from mrcnn.heads.mask.regions import most_regions, training_regions
from mrcnn.ops import frames
from mrcnn.structures import MaskTargets, RoiTargets, Size, Tensor


class MaskOutputs(NamedTuple):
    """Predictions for P sampled object regions, with their targets.

    Attributes:
        mask_logits: `[P, M, M, C]`, or `[P, M, M, 1]` of one mask for all classes.
        targets: of the same regions.
    """

    mask_logits: Tensor
    targets: MaskTargets | PointTargets


class Chosen(NamedTuple):
    """The regions that a mask head runs on in training.

    Attributes:
        regions: all regions that may train masks, `[B, Q, ...]`.
        place: (image, slot), two `[P]` int32: the positions of the chosen ones among them.
        rois: `[P, 4]` float32, the chosen ones.
        image: `[P]` int32, the image of each; that of the copied region where `repeat_regions` replaced a filler.
    """

    regions: RoiTargets
    place: tuple[Tensor, Tensor]
    rois: Tensor
    image: Tensor


class Masks(Head):
    """Mask head: predicts a small mask of each region's object.

    Without `fixed_slots` the network runs on object regions (in training) or valid detections, plus filler slots, so
    that its input is never empty. With `fixed_slots` it runs on the largest number of them that a batch can have.
    Losses and detections are the same in both cases, unless batch norm is trained: its statistics then include the
    unused slots, or, with `repeat_regions`, copies of object regions.
    """

    loss_names: tuple[str, ...] = ("mrcnn_mask_loss",)
    loss_labels: ClassVar[Mapping[str, str]] = {"mrcnn_mask_loss": "mask"}
    gives = ("masks",)

    def __init__(
        self,
        *,
        features: keras.layers.Layer,
        network: keras.layers.Layer,
        targets: keras.layers.Layer,
        max_objects: int | None = None,
        train_boxes: str = "proposals",
        repeat_regions: bool = False,
        box_normalization: str = "pixels",
        **kwargs: Any,
    ) -> None:
        """Stores the layers.

        Args:
            features: samples regions' features from the pyramid; a `RoiFeatures`.
            network: predicts a mask for each class or one for all; a `MaskHead` or a `HourglassMaskHead`.
            targets: computes the targets of regions and their loss; a `MaskTargetGenerator` or a
                `PointTargetGenerator`.
            max_objects: the most object regions of an image in training, which come first in its sample; None where
                every slot of the sample can hold one.
            train_boxes: the regions that train, see `training_regions`.
            repeat_regions: whether fillers are copies of object regions, so that the statistics of a batch norm that
                is trained are those of object regions.
            box_normalization: the frame in which masks and features are cut, see `ops.frames`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.features, self.network, self.targets = features, network, targets
        self.class_layers, self.needs = network.class_layers, targets.needs
        self.max_objects, self.train_boxes, self.repeat_regions = max_objects, train_boxes, repeat_regions
        self.frame = frames.frame(box_normalization)

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for a pyramid of maps `[B, Hl, Wl, C]`."""
        self.network.build(input_shape)

    def outputs(
        self,
        pyramid: Sequence[Tensor],
        regions: RoiTargets,
        batch: Mapping[str, Tensor],
        *,
        image_size: Size,
        training: bool,
    ) -> MaskOutputs:
        """Predicts the masks of the object regions; see `Head.outputs`.

        Returns:
            `MaskOutputs` of the object regions and, as fillers, of each image's first slot, or with `repeat_regions` of
            none but the batch's first; with `fixed_slots` of all slots that can hold an object.
        """
        chosen = self.choose(regions, batch)
        logits = self.draw(pyramid, chosen.rois, chosen.image, image_size=image_size, training=training)
        return MaskOutputs(logits, self.targets_of(chosen, batch, training=training))

    def losses(self, outputs: MaskOutputs, *, across: Across) -> Losses:
        """Computes the mask loss, by name; see `Head.losses`."""
        return {"mrcnn_mask_loss": self.targets.loss_of(outputs.mask_logits, outputs.targets, across=across)}

    def decode(
        self, pyramid: Sequence[Tensor], boxes: Tensor, class_ids: Tensor, *, valid: Tensor, image_size: Size
    ) -> dict[str, Tensor]:
        """Predicts the mask of each detection; see `Head.decode`.

        Returns:
            `masks`: `[B, D, M, M]` float32, probabilities of the detected class; zeros in unused slots.
        """
        used = ops.ones_like(valid) if self.fixed_slots else slots.with_first(valid)
        image, slot = slots.find(used, fixed=self.fixed_slots)
        flat = image * boxes.shape[1] + slot
        rois = ops.take(ops.reshape(boxes, (-1, 4)), flat, axis=0)
        own = ops.take(ops.reshape(class_ids, (-1,)), flat, axis=0)
        logits = self.draw_class(pyramid, rois, image, class_ids=own, image_size=image_size)
        return {"masks": slots.spread(ops.sigmoid(logits), used, valid=valid)}

    def choose(self, regions: RoiTargets, batch: Mapping[str, Tensor]) -> Chosen:
        """Chooses the regions to run on in training.

        Args:
            regions: the box head's sample, `[B, R, ...]`.
            batch: the fields of `Batch` by name.

        Returns:
            Those of objects and fillers, see `outputs`.
        """
        regions = training_regions(regions, batch, boxes=self.train_boxes, classes=self.mask_classes)
        most = most_regions(self.max_objects, batch["gt_boxes"].shape[1], boxes=self.train_boxes)
        used = self._used(regions.class_ids > 0)
        image, slot = place = slots.find(used, fixed=self.fixed_slots, most=most)
        row = image * regions.rois.shape[1] + slot
        if self.repeat_regions:
            copied = slots.repeated(ops.take(ops.reshape(regions.class_ids, (-1,)), row, axis=0) > 0)
            row, image = ops.take(row, copied, axis=0), ops.take(image, copied, axis=0)
        return Chosen(regions, place, ops.take(ops.reshape(regions.rois, (-1, 4)), row, axis=0), image)

    def targets_of(self, chosen: Chosen, batch: Mapping[str, Tensor], *, training: bool) -> MaskTargets | PointTargets:
        """Computes the targets of the chosen regions in the head's frame; `training` as for `targets`."""
        inner = chosen.regions._replace(rois=self.frame.enter(chosen.regions.rois))
        batch = {**batch, "gt_boxes": self.frame.enter(batch["gt_boxes"])}
        return self.targets(inner, batch, chosen.place, pixel_rois=chosen.rois, training=training)

    def draw(
        self,
        pyramid: Sequence[Tensor],
        rois: Tensor,
        image_index: Tensor,
        *,
        image_size: Size,
        training: bool,
    ) -> Tensor:
        """Runs the network on regions.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            rois: `[P, 4]` float32, yxyx pixels of the model input.
            image_index: `[P]` int32, the image of each region.
            image_size: (H, W) of the model input.
            training: whether batch norm may use the batch's statistics.

        Returns:
            Mask logits of P regions, as in `MaskOutputs`.
        """
        extent = self.frame.extent(image_size)
        regions = self.features(pyramid, self.frame.enter(rois), image_index, image_size=image_size, extent=extent)
        return self.network(regions, training=training)

    def draw_class(
        self, pyramid: Sequence[Tensor], rois: Tensor, image_index: Tensor, *, class_ids: Tensor, image_size: Size
    ) -> Tensor:
        """Computes the mask logits of each region's class at inference.

        Args:
            pyramid: as for `draw`, like `rois`, `image_index` and `image_size`.
            rois: `[P, 4]`.
            image_index: `[P]`.
            class_ids: `[P]` int32.
            image_size: (H, W).

        Returns:
            `[P, M, M]` float32.
        """
        logits = self.draw(pyramid, rois, image_index, image_size=image_size, training=False)
        return loss.of_class(logits, class_ids)

    def _used(self, real: Tensor) -> Tensor:
        """Marks the slots to run on: those of objects, and fillers, so that a batch without objects is not empty."""
        if self.repeat_regions:
            return slots.at_least_one(real)
        return real | (ops.arange(real.shape[1]) == 0)[None]  # each image's first slot
