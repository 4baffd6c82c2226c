"""PointRend's mask head: a coarse mask, refined point by point where it is uncertain.

Shape letters: B images, P regions, M side of a coarse mask, S side of a mask, K points of a region, C classes with
background.
Source: Kirillov et al. (2020), PointRend: Image Segmentation as Rendering; detectron2's `PointRendMaskHead`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from keras import ops

from mrcnn.heads.head import Across, Losses
from mrcnn.heads.mask import loss, uncertain
from mrcnn.heads.mask.head import Chosen, Masks
from mrcnn.heads.mask.point_loss import loss_at_points
from mrcnn.heads.mask.point_targets import PointTargets
from mrcnn.ops import cells, chunks, masks, points, sampling
from mrcnn.structures import MaskTargets, RoiTargets, Size, Tensor

REGIONS_AT_A_TIME = 16  # whose masks are refined together; 784 points of a region have 0.8 MB of features
POINT_LOSS = "mrcnn_mask_point_loss"


class PointRendOutputs(NamedTuple):
    """Predictions for P sampled object regions, with their targets.

    Attributes:
        mask_logits: `[P, M, M, C]`, coarse, or `[P, M, M, 1]` of one mask for all classes.
        targets: of the coarse masks.
        point_logits: `[P, K]` float32, of each region's class at its points.
        points: the points and their labels.
    """

    mask_logits: Tensor
    targets: MaskTargets | PointTargets
    point_logits: Tensor
    points: PointTargets


class _Regions(NamedTuple):
    """P regions with their coarse masks."""

    coarse: Tensor  # [P, M, M, C], or [P, M, M, 1] of one mask for all classes
    rois: Tensor  # [P, 4]
    image: Tensor  # [P], the image of each
    class_ids: Tensor  # [P]


class PointRendMasks(Masks):
    """Mask head of a `PointRendNetwork`.

    In training the coarse masks have the usual loss, and points of each region have another: those least certain and
    random ones. Where the head learns from labelled points, these are the points of both losses. Boxes are in pixels,
    whatever the family's frame.
    """

    loss_names = ("mrcnn_mask_loss", POINT_LOSS)
    loss_labels: ClassVar[Mapping[str, str]] = {"mrcnn_mask_loss": "mask, coarse", POINT_LOSS: "mask, points"}

    def __init__(self, *, mask_size: int = 224, **kwargs: Any) -> None:
        """Stores the layers.

        Args:
            mask_size: side of a mask, twice the side of the features times a power of two.
            **kwargs: of `Masks`; `features` is a `FineFeatures`, `network` a `PointRendNetwork`.
        """
        super().__init__(**kwargs)
        self.mask_size = mask_size

    def outputs(
        self,
        pyramid: Sequence[Tensor],
        regions: RoiTargets,
        batch: Mapping[str, Tensor],
        *,
        image_size: Size,
        training: bool,
    ) -> Any:
        """Predicts coarse masks and points of the object regions: `PointRendOutputs`; see `Masks.outputs`."""
        chosen = self.choose(regions, batch)
        coarse = self.draw(pyramid, chosen.rois, chosen.image, image_size=image_size, training=training)
        targets = self.targets_of(chosen, batch, training=training)
        if isinstance(targets, PointTargets):
            labelled = targets
        else:
            own = loss.of_class(coarse, targets.class_ids)
            labelled = choose_points(own, chosen, batch, count=self.features.output_size**2)
        described = _Regions(coarse, chosen.rois, chosen.image, labelled.class_ids)
        logits = self._at(pyramid, described, labelled.places, image_size=image_size)
        return PointRendOutputs(coarse, targets, logits, labelled)

    def losses(self, outputs: Any, *, across: Across) -> Losses:
        """Computes the loss of the coarse masks and that of the points, by name; see `Head.losses`.

        Args:
            outputs: `PointRendOutputs`.
            across: adds a count up over the devices.
        """
        chosen = outputs.points
        return {
            "mrcnn_mask_loss": self.targets.loss_of(outputs.mask_logits, outputs.targets, across=across),
            POINT_LOSS: loss_at_points(
                outputs.point_logits, labels=chosen.labels, weights=chosen.weights, drawn=chosen.drawn, across=across
            ),
        }

    def draw_class(
        self, pyramid: Sequence[Tensor], rois: Tensor, image_index: Tensor, *, class_ids: Tensor, image_size: Size
    ) -> Tensor:
        """Computes the refined logits `[P, S, S]` of each region's class; see `Masks.draw_class`."""
        coarse = self.draw(pyramid, rois, image_index, image_size=image_size, training=False)

        def refine(*rows: Tensor) -> Tensor:
            def predict(places: Tensor) -> Tensor:
                return self._at(pyramid, _Regions(*rows), places, image_size=image_size)

            start = 2 * self.features.output_size
            return uncertain.subdivide(predict, ops.shape(rows[0])[0], start=start, size=self.mask_size)

        # a chunk of one region has no unused rows; on a GPU, where slots are fixed, large chunks are faster
        size = REGIONS_AT_A_TIME if self.fixed_slots else 1
        return chunks.in_chunks(refine, _Regions(coarse, rois, image_index, class_ids), size=size)

    def _at(self, pyramid: Sequence[Tensor], regions: _Regions, places: Tensor, *, image_size: Size) -> Tensor:
        """Computes the logits `[P, K]` of each region's class at points `[P, K, 2]` of the region."""
        fine = self.features.at(pyramid, regions.rois, regions.image, places=places, image_size=image_size)
        logits = self.network.at(fine, regions.coarse, places)
        return loss.of_class(logits[:, :, None], regions.class_ids)[..., 0]  # [P, K, C] -> [P, K]


def choose_points(coarse: Tensor, chosen: Chosen, batch: Mapping[str, Tensor], *, count: int) -> PointTargets:
    """Chooses the points of regions that train, and reads their labels from the objects' stored masks.

    The random choice depends on the seed of the image and the slot of the region alone.

    Args:
        coarse: `[P, M, M]` float32, coarse logits of each region's class.
        chosen: the regions.
        batch: the fields of `Batch` by name.
        count: K.

    Returns:
        The points of the P regions. Labels are the share of the object at a point; those of regions of background and
        on neutral pixels have weight 0.
    """
    regions, (image, slot) = chosen.regions, chosen.place
    region = image * regions.class_ids.shape[1] + slot
    class_ids = ops.take(ops.reshape(regions.class_ids, (-1,)), region, axis=0)
    numbers = 2 * uncertain.numbers_for(count)
    seeds = ops.take(batch["seeds"], image, axis=0)
    random = sampling.random_priority(seeds, numbers, salt=sampling.PLACE_SALT, first=slot * numbers)
    places = uncertain.training_places(coarse, ops.reshape(random, (-1, numbers // 2, 2)), count=count)
    pixels = points.in_pixels(places, chosen.rois)
    source = image * batch["gt_boxes"].shape[1] + ops.take(ops.reshape(regions.matched_idx, (-1,)), region, axis=0)
    side = batch["gt_masks"].shape[-1]
    labels = masks.read_masks(
        ops.take(ops.reshape(batch["gt_masks"], (-1, side, side)), source, axis=0),
        ops.take(ops.reshape(batch["gt_boxes"], (-1, 4)), source, axis=0),
        pixels,
    )
    counted = (class_ids > 0)[:, None] & ~cells.points_on(batch["neutral"], image, pixels)
    weights = ops.cast(counted, "float32")
    return PointTargets(places, ops.stop_gradient(labels), class_ids, weights=weights, drawn=weights)
