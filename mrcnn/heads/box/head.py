"""The box head: samples regions for training, classifies regions, detects. Source: Fast R-CNN (2015)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from mrcnn.blocks.base import Float32Layer, Shape
from mrcnn.heads.box import federated, loss
from mrcnn.heads.box.decode import SOFTMAX, Found
from mrcnn.heads.box.federated import LocalClasses
from mrcnn.heads.head import Across, Losses
from mrcnn.ops import frames
from mrcnn.structures import Choices, Proposals, RoiTargets, Size, Tensor, of_stage

FEDERATED = "federated"  # value of `class_loss`
LOSSES = {"mrcnn_class_loss": "class", "mrcnn_bbox_loss": "box"}  # with their legend texts


class BoxOutputs(NamedTuple):
    """Predictions for the sampled training regions, with their targets.

    Attributes:
        class_logits: `[B, R, C]`.
        box_deltas: `[B, R, C, 4]`.
        targets: the regions and their targets.
        later: of a cascade, the same of the stages from the second on.
        classes: what the federated loss needs to choose its classes, else None.
    """

    class_logits: Tensor
    box_deltas: Tensor
    targets: RoiTargets
    later: tuple["BoxOutputs", ...] = ()
    classes: LocalClasses | None = None


class Boxes(Float32Layer):
    """Box head: classifies regions and refines their boxes.

    Attributes:
        class_counts: of each class id the number of training images with an object of it, by which the federated loss
            draws classes; None for equal chances. Set by the model.
    """

    loss_names: tuple[str, ...] = tuple(LOSSES)
    loss_labels: Mapping[str, str] = LOSSES
    class_layers: tuple[str, ...] = ("mrcnn_class_logits", "mrcnn_bbox_fc")
    class_counts: tuple[int, ...] | None = None

    def __init__(
        self,
        *,
        features: keras.layers.Layer,
        network: keras.layers.Layer,
        detections: keras.layers.Layer,
        targets: keras.layers.Layer,
        box_normalization: str = "pixels",
        box_loss_average: str = "objects",
        box_loss_beta: float | None = None,
        class_loss: str = SOFTMAX,
        federated_classes: int = 50,
        **kwargs: Any,
    ) -> None:
        """Stores the layers.

        Args:
            features: samples regions' features from the pyramid; a `RoiFeatures`.
            network: classifies regions and predicts box deltas; a `BoxHead`.
            detections: decodes and suppresses; a `DetectionGenerator`.
            targets: samples the training regions; a `RoiTargetGenerator`.
            box_normalization: the frame in which regions are matched, cut and refined, see `ops.frames`.
            box_loss_average: see `reduction.box_loss`.
            box_loss_beta: see `reduction.box_loss`.
            class_loss: `softmax`: one class or background; `sigmoid`: each class alone; `federated`: as `sigmoid`, for
                some of the classes.
            federated_classes: the number of classes in the loss `federated`, see `federated.choose`.
            **kwargs: of the Keras layer.
        """
        super().__init__(**kwargs)
        self.features, self.network, self.detections, self.targets = features, network, detections, targets
        self.frame = frames.frame(box_normalization)
        self.box_loss_average, self.box_loss_beta = box_loss_average, box_loss_beta
        self.class_loss, self.federated_classes = class_loss, federated_classes

    @property
    def networks(self) -> tuple[keras.layers.Layer, ...]:
        """The networks that classify regions, of which a cascade has several."""
        return (self.network,)

    def build(self, input_shape: Shape) -> None:
        """Creates the weights for a pyramid of maps `[B, Hl, Wl, C]`."""
        side = self.features.output_size
        for network in self.networks:
            network.build((None, side, side, input_shape[-1]))

    def outputs(
        self,
        pyramid: Sequence[Tensor],
        proposals: Proposals,
        batch: Mapping[str, Tensor],
        *,
        image_size: Size,
        training: bool,
    ) -> BoxOutputs:
        """Samples the training regions and classifies them.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            proposals: of the RPN.
            batch: the fields of `Batch` by name.
            image_size: (H, W) of the model input.
            training: whether batch norm may use the batch's statistics.

        Returns:
            `BoxOutputs` of the sampled regions.
        """
        targets = self.targets(self.entered(proposals), {**batch, "gt_boxes": self.frame.enter(batch["gt_boxes"])})
        logits, deltas = self._classify(pyramid, targets.rois, image_size=image_size, training=training)
        return self.outputs_in_pixels(BoxOutputs(logits, deltas, targets, classes=self.local_classes(batch)))

    def losses(self, outputs: BoxOutputs, *, across: Across) -> Losses:
        """Computes the class and the box loss, by name; see `Head.losses`."""
        return self.losses_of_stage(outputs, 1, classes=self.chosen_classes(outputs, across=across), across=across)

    def local_classes(self, batch: Mapping[str, Tensor]) -> LocalClasses | None:
        """Collects what the federated loss needs of a batch; None for another loss."""
        if self.class_loss != FEDERATED:
            return None
        return federated.of_batch(batch, self.network.num_classes)

    def chosen_classes(self, outputs: BoxOutputs, *, across: Across) -> Tensor | None:
        """Chooses the classes of the class loss, `[C]`, 1 or 0; None for all."""
        if outputs.classes is None:
            return None
        log_chances = federated.log_weights(self.class_counts, self.network.num_classes)
        return federated.choose(outputs.classes, log_chances, count=self.federated_classes, across=across)

    def losses_of_stage(
        self, outputs: BoxOutputs, stage: int, *, classes: Tensor | None = None, across: Across
    ) -> Losses:
        """Computes the two losses of one stage of a cascade, from 1, by name; see `Head.losses`.

        Args:
            outputs: of the stage.
            stage: from 1.
            classes: from `chosen_classes`.
            across: as for `Head.losses`.
        """
        class_loss, bbox_loss = (of_stage(name, stage) for name in LOSSES)
        logits, targets = outputs.class_logits, outputs.targets
        return {
            class_loss: loss.mrcnn_class_loss(logits, targets, across=across)
            if self.class_loss == SOFTMAX
            else loss.sigmoid_class_loss(logits, targets, classes=classes, across=across),
            bbox_loss: loss.mrcnn_bbox_loss(
                outputs.box_deltas,
                targets,
                average=self.box_loss_average,
                beta=self.box_loss_beta,
                across=across,
            ),
        }

    def detect(
        self,
        pyramid: Sequence[Tensor],
        proposals: Proposals,
        windows: Tensor,
        *,
        image_size: Size,
        choices: Choices,
    ) -> Found:
        """Detects objects among the proposals.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            proposals: of the RPN.
            windows: `[B, 4]` float32, yxyx pixels; boxes are clipped to them.
            image_size: (H, W) of the model input.
            choices: score threshold, NMS threshold and most detections.

        Returns:
            The detections.
        """
        proposals = self.entered(proposals)
        logits, deltas = self._classify(pyramid, proposals.boxes, image_size=image_size, training=False)
        return self.detections_in_pixels(
            self.detections(proposals, logits, deltas, windows=self.frame.enter(windows), choices=choices)
        )

    def entered(self, proposals: Proposals) -> Proposals:
        """Converts proposals in pixels to the head's frame."""
        return proposals._replace(boxes=self.frame.enter(proposals.boxes))

    def outputs_in_pixels(self, outputs: BoxOutputs) -> BoxOutputs:
        """Converts the regions of outputs from the head's frame to pixels."""
        targets = outputs.targets
        return outputs._replace(targets=targets._replace(rois=self.frame.leave(targets.rois)))

    def detections_in_pixels(self, found: Found) -> Found:
        """Converts detections from the head's frame to pixels; unused slots keep zeros."""
        return found._replace(boxes=ops.where(found.valid[..., None], self.frame.leave(found.boxes), 0.0))

    def features_of(self, pyramid: Sequence[Tensor], rois: Tensor, *, image_size: Size) -> Tensor:
        """Samples the features of regions from the pyramid.

        Args:
            pyramid: P2..P5, each `[B, Hl, Wl, C]`.
            rois: `[B, R, 4]` float32, yxyx, in the head's frame.
            image_size: (H, W) of the model input.

        Returns:
            `[B * R, S, S, C]`.
        """
        flat = ops.reshape(rois, (-1, 4))
        image_index = ops.arange(ops.shape(flat)[0], dtype="int32") // rois.shape[1]
        extent = self.frame.extent(image_size)
        return self.features(pyramid, flat, image_index, image_size=image_size, extent=extent)

    def _classify(
        self, pyramid: Sequence[Tensor], rois: Tensor, *, image_size: Size, training: bool
    ) -> tuple[Tensor, Tensor]:
        regions = self.features_of(pyramid, rois, image_size=image_size)
        return by_slot(self.network(regions, training=training), slots=rois.shape[1])


def by_slot(predicted: tuple[Tensor, Tensor], *, slots: int) -> tuple[Tensor, Tensor]:
    """Splits a network's logits `[B * R, C]` and deltas `[B * R, C, 4]` by image.

    Returns:
        `[B, R, C]` and `[B, R, C, 4]`, R being `slots`.
    """
    logits, deltas = predicted
    classes = logits.shape[-1]
    return ops.reshape(logits, (-1, slots, classes)), ops.reshape(deltas, (-1, slots, classes, 4))
