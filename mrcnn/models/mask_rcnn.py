"""Mask R-CNN as one Keras model.

Source: He et al. (2017), Mask R-CNN; the graph, layer names and losses follow Matterport's.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mrcnn.backbones.resnet import CHANNELS
from mrcnn.config.model import PYRAMID_LEVELS, ModelConfig
from mrcnn.heads.box import loss as box
from mrcnn.heads.mask import loss as mask
from mrcnn.heads.roi_features import RoiFeatures
from mrcnn.heads.rpn import loss as rpn
from mrcnn.models import decay, layout
from mrcnn.models.families.matterport import build_parts
from mrcnn.models.keras_habits import KerasHabits
from mrcnn.ops import frames, reduction
from mrcnn.structures import Outputs, Proposals, RawDetections, RoiTargets, Tensor

LOSSES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")


@keras.saving.register_keras_serializable(package="mrcnn")
class MaskRCNN(KerasHabits):
    """Finds objects, their classes, boxes and masks in a batch of equally large images.

    `model(batch)` detects and gives `RawDetections`; `model(batch, training=True)` gives `Outputs`, which
    `compute_loss` turns into the sum of the five losses and the L2 term. A batch is a dictionary with the names of
    `Batch`; detection needs only `images` and `windows`.

    Attributes:
        replica_sum: adds a count up over the devices that share a batch; the identity on one device.
        num_replicas: how many devices share a batch.
    """

    def __init__(self, *, num_classes: int, settings: Mapping[str, Any] | None = None, **kwargs):
        """Builds the model and its variables.

        Args:
            num_classes: with background.
            settings: fields of `ModelConfig`; those left out have its defaults.
            **kwargs: `name` and `dtype`, the precision policy of the convolutions.
        """
        # else Keras casts the batch, boxes included, to the convolutions' type; the parts cast what they need
        super().__init__(autocast=False, **kwargs)
        self.num_classes = num_classes
        self.settings = ModelConfig(**(settings or {}))
        self.parts = build_parts(self.settings, num_classes=num_classes, feature_dtype=self.compute_dtype)
        self.trackers = [keras.metrics.Mean(name=name) for name in (*LOSSES, "l2_loss")]
        self.frame = frames.frame(self.settings.box_normalization)
        self.replica_sum = reduction.identity
        self.num_replicas = 1
        self.build()

    def build(self, input_shape=None):
        """Creates the variables, from channel counts alone: nothing is computed."""
        settings, parts = self.settings, self.parts
        map_shape = (None, None, None, settings.fpn_channels)
        parts.backbone.build((None, None, None, settings.channels))
        parts.fpn.build([(None, None, None, channels) for channels in CHANNELS])
        parts.rpn.build([map_shape] * PYRAMID_LEVELS)
        parts.box_head.build((None, settings.box_pool_size, settings.box_pool_size, settings.fpn_channels))
        parts.mask_head.build(map_shape)
        self.built = True

    def get_config(self):
        """Gives what `from_config` needs; Keras records only a model's defaults by itself."""
        config = {"num_classes": self.num_classes, "settings": self.settings.model_dump(mode="json")}
        return {**config, "name": self.name, "dtype": keras.saving.serialize_keras_object(self.dtype_policy)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Rebuilds the model, with new weights, from `get_config`'s dictionary."""
        dtype = keras.saving.deserialize_keras_object(config["dtype"], custom_objects=custom_objects)
        return cls(**{**config, "dtype": dtype})

    def weight_layout(self) -> layout.Layout:
        """Lists the weights under Matterport's names, in its order."""
        return layout.weight_layout(self, backbone=self.settings.backbone)

    def call(self, batch, training=False):
        """Detects, or in training gives what the losses compare; see the class."""
        image_size = _image_size(batch["images"])
        if not training:
            features, _, proposals = self._propose(batch["images"], count=self.settings.post_nms_topk)
            return self._detect(features, proposals, batch["windows"], image_size)
        features, rpn_outputs, proposals = self._propose(
            batch["images"], count=self.settings.post_nms_topk_train, training=True
        )
        return self._train_outputs(features, rpn_outputs, proposals, batch, training=True)

    def validate(self, batch) -> tuple[dict[str, Tensor], RawDetections]:
        """Gives the losses (with `loss`, their sum) and the detections of a batch, from one pass over the images."""
        image_size = _image_size(batch["images"])
        settings = self.settings
        most = max(settings.post_nms_topk, settings.post_nms_topk_train)
        features, rpn_outputs, proposals = self._propose(batch["images"], count=most)
        train_proposals = _first(proposals, settings.post_nms_topk_train)
        outputs = self._train_outputs(features, rpn_outputs, train_proposals, batch, training=False)
        total, parts = self.losses_of(outputs)
        proposals = _first(proposals, settings.post_nms_topk)
        return {"loss": total, **parts}, self._detect(features, proposals, batch["windows"], image_size)

    def losses_of(self, outputs: Outputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Gives the weighted sum of the five losses with the L2 term, and each of them by name."""
        across = self.replica_sum
        values = {
            "rpn_class_loss": rpn.rpn_class_loss(outputs.objectness_logits, outputs.anchor_targets, across=across),
            "rpn_bbox_loss": rpn.rpn_bbox_loss(outputs.anchor_deltas, outputs.anchor_targets, across=across),
            "mrcnn_class_loss": box.mrcnn_class_loss(outputs.class_logits, outputs.roi_targets, across=across),
            "mrcnn_bbox_loss": box.mrcnn_bbox_loss(outputs.box_deltas, outputs.roi_targets, across=across),
            "mrcnn_mask_loss": mask.mrcnn_mask_loss(outputs.mask_logits, outputs.mask_targets, across=across),
        }
        l2 = decay.l2_loss(self.trainable_variables, weight_decay=self.settings.weight_decay) / self.num_replicas
        total = l2
        for name, value in values.items():
            total = total + getattr(self.settings.loss_weights, name) * value
        return total, {**values, "l2_loss": l2}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Gives the loss Keras differentiates and records its parts; `y_pred` is `Outputs`, the rest is not used."""
        total, parts = self.losses_of(y_pred)
        for tracker in self.trackers:
            # devices' values add up to the whole, but Keras averages them
            tracker.update_state(parts[tracker.name] * self.num_replicas)
        return total

    def _propose(self, images, *, count, training=False):
        parts = self.parts
        mean = ops.convert_to_tensor(self.settings.image_mean, dtype="float32")
        images = ops.cast(images, "float32") - mean
        pyramid = parts.fpn(parts.backbone(images, training=training))
        anchors = parts.anchor_generator(pyramid)
        logits, deltas = parts.rpn(pyramid)
        proposals = parts.proposal_generator(
            self.frame.enter(anchors),
            logits,
            deltas,
            level_sizes=parts.anchor_generator.level_sizes(pyramid),
            image_size=self.frame.extent(_image_size(images)),
            count=count,
        )
        return pyramid[:4], (anchors, logits, deltas), proposals

    def _train_outputs(self, features, rpn_outputs, proposals, batch, *, training) -> Outputs:
        parts, image_size = self.parts, _image_size(batch["images"])
        anchors, logits, deltas = rpn_outputs
        anchor_targets = parts.anchor_targets(
            anchors, batch["gt_boxes"], batch["gt_valid"], batch["gt_ignore"], batch["seeds"]
        )
        batch = {**batch, "gt_boxes": self.frame.enter(batch["gt_boxes"])}
        targets = parts.roi_targets(proposals, batch)
        regions = self._regions(parts.box_features, features, targets.rois, image_size)
        class_logits, box_deltas = parts.box_head(regions, training=training)
        index = self._mask_regions(targets)
        image, slot = index
        rois = ops.take(ops.reshape(targets.rois, (-1, 4)), image * targets.rois.shape[1] + slot, axis=0)
        extent = self.frame.extent(image_size)
        mask_regions = parts.mask_features(features, rois, image, image_size=image_size, extent=extent)
        mask_logits = parts.mask_head(mask_regions, training=training)
        slots = targets.rois.shape[1]
        return Outputs(
            objectness_logits=logits,
            anchor_deltas=deltas,
            anchor_targets=anchor_targets,
            class_logits=ops.reshape(class_logits, (-1, slots, self.num_classes)),
            box_deltas=ops.reshape(box_deltas, (-1, slots, self.num_classes, 4)),
            roi_targets=targets,
            mask_logits=mask_logits,
            mask_targets=parts.mask_targets(targets, batch, index, pixel_rois=self.frame.leave(rois)),
        )

    def _mask_regions(self, targets: RoiTargets):
        """Picks the object regions, and each image's first slot so that a batch without objects is not empty."""
        first = ops.arange(targets.class_ids.shape[1]) == 0
        return ops.nonzero((targets.class_ids > 0) | first[None])

    def _detect(self, features, proposals: Proposals, windows, image_size) -> RawDetections:
        boxes, class_ids, scores, valid = self._detect_boxes(features, proposals, windows, image_size)
        masks = self._detected_masks(features, boxes, class_ids, valid, image_size)
        boxes = ops.where(valid[..., None], self.frame.leave(boxes), 0.0)
        return RawDetections(boxes=boxes, class_ids=class_ids, scores=scores, valid=valid, masks=masks)

    def _detect_boxes(self, features, proposals: Proposals, windows, image_size):
        parts, slots = self.parts, proposals.boxes.shape[1]
        regions = self._regions(parts.box_features, features, proposals.boxes, image_size)
        class_logits, box_deltas = parts.box_head(regions)
        return parts.detection_generator(
            proposals,
            ops.reshape(class_logits, (-1, slots, self.num_classes)),
            ops.reshape(box_deltas, (-1, slots, self.num_classes, 4)),
            self.frame.enter(windows),
        )

    def _detected_masks(self, features, boxes, class_ids, valid, image_size):
        """Runs the mask head on the real detections only; zeros elsewhere."""
        slots = boxes.shape[1]
        # the very first slot always goes along, so that nothing downstream meets an empty batch
        first = (ops.cumsum(ops.ones_like(class_ids[:, :1]), axis=0) == 1) & (ops.arange(slots) == 0)[None]
        keep = valid | first
        image, slot = ops.nonzero(keep)
        flat = ops.cast(image, "int32") * slots + ops.cast(slot, "int32")
        rois = ops.take(ops.reshape(boxes, (-1, 4)), flat, axis=0)
        extent = self.frame.extent(image_size)
        logits = self.parts.mask_head(
            self.parts.mask_features(features, rois, ops.cast(image, "int32"), image_size=image_size, extent=extent)
        )
        own = ops.take(ops.reshape(class_ids, (-1,)), flat, axis=0)
        probabilities = ops.sigmoid(ops.take_along_axis(logits, own[:, None, None, None], axis=3)[..., 0])
        position = ops.cumsum(ops.cast(ops.reshape(keep, (-1,)), "int32")) - 1  # of each slot among the kept
        side = probabilities.shape[1]
        masks = ops.reshape(ops.take(probabilities, ops.maximum(position, 0), axis=0), (-1, slots, side, side))
        return ops.where(valid[..., None, None], masks, 0.0)

    def _regions(self, extractor: RoiFeatures, features, rois, image_size):
        """Cuts `[B, R, 4]` regions out: `[B * R, S, S, C]`."""
        slots = rois.shape[1]
        flat = ops.reshape(rois, (-1, 4))
        image_index = ops.arange(ops.shape(flat)[0], dtype="int32") // slots
        return extractor(features, flat, image_index, image_size=image_size, extent=self.frame.extent(image_size))


def _image_size(images) -> tuple[int, int]:
    return (images.shape[1], images.shape[2])


def _first(proposals: Proposals, count: int) -> Proposals:
    """Keeps the best `count`; greedy suppression with fewer outputs gives exactly these."""
    return Proposals(*(field[:, :count] for field in proposals))
