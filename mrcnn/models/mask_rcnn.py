"""Mask R-CNN as one Keras model, composed of a backbone, a neck and heads.

Source: He et al. (2017), Mask R-CNN.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from mrcnn.heads.box.head import Boxes, BoxOutputs
from mrcnn.heads.head import Head
from mrcnn.heads.rpn.head import AnchorScores, RegionProposals, RpnOutputs
from mrcnn.models import decay
from mrcnn.models.keras_habits import KerasHabits
from mrcnn.ops import reduction
from mrcnn.structures import Proposals, RawDetections, Tensor

HEAD_LEVELS = 4  # the heads look at P2..P5; P6 is the RPN's alone


class Outputs(NamedTuple):
    """The training path's predictions beside their targets.

    Attributes:
        rpn: of the region proposal network.
        box: of the box head.
        heads: of the other heads, in the model's order.
    """

    rpn: RpnOutputs
    box: BoxOutputs
    heads: tuple[Any, ...]


class Parts(NamedTuple):
    """What a family composes its model of, in the order data meets them.

    Attributes:
        backbone: images to feature maps.
        neck: feature maps to a pyramid.
        rpn: proposes regions.
        box: classifies them.
        heads: what looks at detections, by name.
    """

    backbone: keras.layers.Layer
    neck: keras.layers.Layer
    rpn: RegionProposals
    box: Boxes
    heads: Mapping[str, Head]


class Numbers(NamedTuple):
    """What a model needs to know besides its parts.

    Attributes:
        image_mean: subtracted from each channel.
        map_channels: of the backbone's maps that the neck takes, and of the pyramid.
        post_nms_topk_train: proposals kept in training.
        post_nms_topk: proposals kept at inference.
        weight_decay: factor of the L2 term.
        loss_weights: factor of each loss by name; 1 where there is none.
    """

    image_mean: Sequence[float]
    map_channels: tuple[Sequence[int], int]
    post_nms_topk_train: int
    post_nms_topk: int
    weight_decay: float = 0.0
    loss_weights: Mapping[str, float] = {}


class MaskRCNN(KerasHabits):
    """Finds objects, their classes, boxes and masks in a batch of equally large images.

    `model(batch)` detects and returns `RawDetections`; `model(batch, training=True)` returns `Outputs`, which
    `compute_loss` turns into the sum of the heads' losses and the L2 term. A batch is a dictionary with the names of
    `Batch`; detection needs only `images` and `windows`.

    Attributes:
        replica_sum: adds a count up over the devices that share a batch; the identity on one device.
        num_replicas: how many devices share a batch.
    """

    def __init__(self, parts: Parts, numbers: Numbers, **kwargs):
        """Composes the model and creates its variables.

        Args:
            parts: its layers.
            numbers: see there.
            **kwargs: `name` and `dtype`, the precision policy of the convolutions.
        """
        # else Keras casts the batch, boxes included, to the convolutions' type; the parts cast what they need
        super().__init__(autocast=False, **kwargs)
        self.backbone, self.neck, self.rpn, self.box = parts.backbone, parts.neck, parts.rpn, parts.box
        self.head_names, self.heads = tuple(parts.heads), list(parts.heads.values())
        self.numbers = numbers
        self.trackers = [keras.metrics.Mean(name=name) for name in (*self.loss_names, "l2_loss")]
        self.replica_sum = reduction.identity
        self.num_replicas = 1
        self.build()

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The names of the losses, head by head."""
        return tuple(name for head in (self.rpn, self.box, *self.heads) for name in head.loss_names)

    @property
    def score_threshold(self) -> float:
        """The score below which nothing is detected; a graph keeps the one it was traced with."""
        return self.box.detections.score_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        self.box.detections.score_threshold = value

    def head(self, name: str) -> Head:
        """Returns one of the heads besides the box head."""
        return self.heads[self.head_names.index(name)]

    def build(self, input_shape=None):
        """Creates the variables, from channel counts alone: nothing is computed."""
        backbone_channels, channels = self.numbers.map_channels
        map_shape = (None, None, None, channels)
        self.backbone.build((None, None, None, len(self.numbers.image_mean)))
        self.neck.build([(None, None, None, width) for width in backbone_channels])
        self.rpn.build([map_shape] * (HEAD_LEVELS + 1))
        for head in (self.box, *self.heads):
            head.build(map_shape)
        self.built = True

    def call(self, batch, training=False):
        """Detects, or in training returns what the losses compare; see the class."""
        image_size = _image_size(batch["images"])
        pyramid = self._pyramid(batch["images"], training=training)
        count = self.numbers.post_nms_topk_train if training else self.numbers.post_nms_topk
        scored, proposals = self.rpn(pyramid, image_size=image_size, count=count)
        if training:
            return self._outputs(pyramid, scored, proposals, batch, training=True)
        return self._detect(pyramid, proposals, batch["windows"], image_size)

    def validate(self, batch) -> tuple[dict[str, Tensor], RawDetections]:
        """Returns the losses (with `loss`, their sum) and the detections of a batch, from one pass over the images."""
        image_size = _image_size(batch["images"])
        for_training, for_detection = self.numbers.post_nms_topk_train, self.numbers.post_nms_topk
        pyramid = self._pyramid(batch["images"], training=False)
        scored, proposals = self.rpn(pyramid, image_size=image_size, count=max(for_training, for_detection))
        outputs = self._outputs(pyramid, scored, _first(proposals, for_training), batch, training=False)
        total, parts = self.losses_of(outputs)
        found = self._detect(pyramid, _first(proposals, for_detection), batch["windows"], image_size)
        return {"loss": total, **parts}, found

    def losses_of(self, outputs: Outputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the weighted sum of the losses with the L2 term, and each of them by name."""
        pairs = [(self.rpn, outputs.rpn), (self.box, outputs.box), *zip(self.heads, outputs.heads, strict=True)]
        values: dict[str, Tensor] = {}
        for head, predicted in pairs:
            values |= head.losses(predicted, across=self.replica_sum)
        l2 = decay.l2_loss(self.trainable_variables, weight_decay=self.numbers.weight_decay) / self.num_replicas
        total = l2
        for name, value in values.items():
            total = total + self.numbers.loss_weights.get(name, 1.0) * value
        return total, {**values, "l2_loss": l2}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss Keras differentiates and records its parts; `y_pred` is `Outputs`, the rest is not used."""
        total, parts = self.losses_of(y_pred)
        for tracker in self.trackers:
            # devices' values add up to the whole, but Keras averages them
            tracker.update_state(parts[tracker.name] * self.num_replicas)
        return total

    def _pyramid(self, images, *, training):
        mean = ops.convert_to_tensor(self.numbers.image_mean, dtype="float32")
        return self.neck(self.backbone(ops.cast(images, "float32") - mean, training=training))

    def _outputs(self, pyramid, scored: AnchorScores, proposals: Proposals, batch, *, training) -> Outputs:
        how: dict[str, Any] = {"image_size": _image_size(batch["images"]), "training": training}
        maps = pyramid[:HEAD_LEVELS]
        box = self.box.outputs(maps, proposals, batch, **how)
        heads = tuple(head.outputs(maps, box.targets, batch, **how) for head in self.heads)
        return Outputs(self.rpn.outputs(scored, batch), box, heads)

    def _detect(self, pyramid, proposals: Proposals, windows, image_size) -> RawDetections:
        maps = pyramid[:HEAD_LEVELS]
        found = self.box.detect(maps, proposals, windows, image_size=image_size)
        fields: dict[str, Tensor] = {}
        for head in self.heads:
            fields |= head.decode(maps, found.boxes, found.class_ids, found.valid, image_size=image_size)
        return RawDetections(**{**found._asdict(), "boxes": self.box.to_pixels(found), **fields})


def _image_size(images) -> tuple[int, int]:
    return (images.shape[1], images.shape[2])


def _first(proposals: Proposals, count: int) -> Proposals:
    """Keeps the best `count`; greedy suppression with fewer outputs gives exactly these."""
    return Proposals(*(field[:, :count] for field in proposals))
