"""Mask R-CNN as one Keras model, composed of a backbone, a neck and heads.

Source: He et al. (2017), Mask R-CNN.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import keras
from keras import ops

from mrcnn.heads.box.decode import Found
from mrcnn.heads.box.head import Boxes, BoxOutputs
from mrcnn.heads.head import Head
from mrcnn.heads.image_head import ImageHead
from mrcnn.heads.rpn.head import AnchorScores, RegionProposals, RpnOutputs
from mrcnn.models import decay, layout
from mrcnn.models.keras_habits import KerasHabits, on_tensors
from mrcnn.ops import accelerator, reduction
from mrcnn.ops.backend.current import native
from mrcnn.structures import Choices, Proposals, RawDetections, Size, Tensor

HEAD_LEVELS = 4  # box and mask heads use P2..P5; only the RPN uses P6


class Outputs(NamedTuple):
    """The model's predictions in training, with their targets.

    Attributes:
        rpn: of the region proposal network.
        box: of the box head.
        heads: of the other heads, in the model's order.
        image_heads: of the heads for whole images.
    """

    rpn: RpnOutputs
    box: BoxOutputs
    heads: tuple[Any, ...]
    image_heads: tuple[Any, ...] = ()


class Layers(NamedTuple):
    """The layers of a model, in the order of the data flow.

    Attributes:
        backbone: computes feature maps from images.
        neck: computes a feature pyramid from the feature maps.
        rpn: proposes regions.
        box: classifies regions and refines their boxes.
        heads: heads that add further fields to detections, or maps of whole images, by name.
    """

    backbone: keras.layers.Layer
    neck: keras.layers.Layer
    rpn: RegionProposals
    box: Boxes
    heads: Mapping[str, Head | ImageHead]


class Numbers(NamedTuple):
    """Numbers of a model that belong to none of its layers.

    Attributes:
        image_mean: value subtracted from each channel of an image, in the order of `image_order`.
        map_channels: channels of the backbone's maps that enter the neck, and channels of the pyramid.
        post_nms_topk_train: the most proposals of an image in training.
        post_nms_topk: the most proposals of an image at inference.
        choices: the run-time choices until others are set.
        weight_decay: factor of the L2 term.
        loss_weights: factor of each loss by name; of one that is not listed that of its head, or 1.
        image_std: what each channel is divided by; None for 1.
        image_order: `rgb`, or `bgr`: the channels are reversed before the mean is subtracted.
        pre_nms_topk_train: the RPN's number of anchors before its NMS in training; None for that of inference.
        padding: value of padded pixels: `black`, so that the mean is subtracted from 0 (Matterport); or `mean`: 0 after
            the mean was subtracted (torchvision, detectron2).
    """

    image_mean: Sequence[float]
    map_channels: tuple[Sequence[int], int]
    post_nms_topk_train: int
    post_nms_topk: int
    choices: Choices = Choices()
    weight_decay: float = 0.0
    loss_weights: Mapping[str, float] = {}
    image_std: Sequence[float] | None = None
    image_order: str = "rgb"
    pre_nms_topk_train: int | None = None
    padding: str = "black"


class MaskRCNN(KerasHabits):
    """Mask R-CNN: detects objects in a batch of images of one size.

    `model(batch)` returns `RawDetections`; `model(batch, training=True)` returns `Outputs`, from which `compute_loss`
    computes the sum of the heads' losses and the L2 term. A batch is a dictionary of the fields of `Batch`; detection
    needs only `images` and `windows`.

    Attributes:
        choices: the run-time choices of detection; a traced graph keeps its values at tracing.
        replica_sum: adds a count up over the devices that share a batch; the identity on one device.
        num_replicas: number of devices that share a batch.
        layer_patterns: for each word of `train_layers` that the family knows, a regular expression that the names of
            the layers to train match.
    """

    layer_patterns: ClassVar[Mapping[str, str]] = {"all": ".*"}

    def __init__(self, layers: Layers, numbers: Numbers, **kwargs: Any) -> None:
        """Composes the model and creates its variables.

        Args:
            layers: the model's layers.
            numbers: the model's numbers.
            **kwargs: `name` and `dtype`, the precision policy of the convolutions.
        """
        # with autocast Keras would cast the batch, boxes included, to the convolutions' type; each layer casts
        super().__init__(autocast=False, **kwargs)
        self.backbone, self.neck, self.rpn, self.box = layers.backbone, layers.neck, layers.rpn, layers.box
        of_regions = {name: head for name, head in layers.heads.items() if isinstance(head, Head)}
        self.head_names, self.heads = tuple(of_regions), list(of_regions.values())
        self.image_heads = [head for head in layers.heads.values() if isinstance(head, ImageHead)]
        self.numbers, self.choices = numbers, numbers.choices
        self.trackers = [keras.metrics.Mean(name=name) for name in (*self.loss_names, "l2_loss")]
        self.use_fixed_slots(accelerator.prefers_fixed_shapes())
        self.replica_sum = reduction.identity
        self.num_replicas = 1
        self.build()

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The names of the losses, head by head."""
        return tuple(name for head in self._all_heads for name in head.loss_names)

    @property
    def loss_labels(self) -> dict[str, str]:
        """The legend texts of losses by name, head by head."""
        return {name: label for head in self._all_heads for name, label in head.loss_labels.items()}

    @property
    def class_layers(self) -> tuple[str, ...]:
        """The names of the layers whose shapes depend on the classes, head by head."""
        return tuple(name for head in (self.box, *self.heads, *self.image_heads) for name in head.class_layers)

    @property
    def _all_heads(self) -> tuple[Any, ...]:
        return self.rpn, self.box, *self.heads, *self.image_heads

    def head(self, name: str) -> Head:
        """Finds a head of regions by name, the RPN and the box head excluded."""
        return self.heads[self.head_names.index(name)]

    def use_fixed_slots(self, fixed: bool) -> None:
        """Chooses whether graphs traced from now on have fixed shapes.

        Without fixed shapes the work on unused slots is left out. Fixed shapes are the default where a GPU is
        visible, and XLA (`jit_compile`) needs them.
        """
        for head in self.heads:
            head.fixed_slots = fixed

    def train_masks_of(self, class_ids: Sequence[int] | None) -> None:
        """Chooses the classes whose objects train masks, for graphs traced from now on; None for all."""
        for head in self.heads:
            head.mask_classes = None if class_ids is None else tuple(class_ids)

    def count_classes(self, counts: Sequence[int]) -> None:
        """Sets the number of training images of each class id, for graphs traced from now on."""
        self.box.class_counts = tuple(counts)

    def weight_layout(self) -> layout.Layout:
        """Lists the model's weights by layer, as in its family's weight files.

        Names and order are those of the files.
        """
        raise NotImplementedError

    def build(self, input_shape: Any = None) -> None:
        """Creates the variables from the channel counts, without a forward pass."""
        backbone_channels, channels = self.numbers.map_channels
        map_shape = (None, None, None, channels)
        self.backbone.build((None, None, None, len(self.numbers.image_mean)))
        self.neck.build([(None, None, None, width) for width in backbone_channels])
        self.rpn.build([map_shape] * (HEAD_LEVELS + 1))
        for head in (self.box, *self.heads, *self.image_heads):
            head.build(map_shape)
        self.built = True

    def call(
        self, batch: Mapping[str, Tensor], training: bool = False, choices: Choices | None = None
    ) -> "RawDetections | Outputs":
        """Detects objects, or computes predictions and targets in training.

        Args:
            batch: the fields of `Batch` by name; detection needs only `images` and `windows`.
            training: whether to compute `Outputs`, with batch norm in training mode.
            choices: the run-time choices of this call; None for the model's own.

        Returns:
            `RawDetections`, or `Outputs` with `training`.
        """
        image_size = _image_size(batch["images"])
        pyramid = self._pyramid(batch, training=training)
        numbers = self.numbers
        scored, proposals = self.rpn(
            pyramid,
            image_size=image_size,
            count=numbers.post_nms_topk_train if training else numbers.post_nms_topk,
            windows=batch["windows"],
            pre_nms_topk=numbers.pre_nms_topk_train if training else None,
        )
        if training:
            return self._outputs(pyramid, scored, proposals, batch=batch, training=True)
        return self._detect(pyramid, proposals, batch, choices=choices or self.choices)

    @on_tensors
    def detect_boxes(self, batch: Mapping[str, Tensor], *, choices: Choices | None = None) -> RawDetections:
        """Detects objects without running the heads that follow the box head.

        Args:
            batch: `images` and `windows` of `Batch`.
            choices: as for a call.

        Returns:
            The detections of a call, without extra fields and with whole boxes as masks, `[B, D, 1, 1]`.
        """
        pyramid, image_size = self._pyramid(batch, training=False), _image_size(batch["images"])
        _, proposals = self.rpn(
            pyramid, image_size=image_size, count=self.numbers.post_nms_topk, windows=batch["windows"]
        )
        found = self._boxes(pyramid, proposals, batch, choices=choices or self.choices)
        return RawDetections(**found._asdict(), masks=_whole_boxes(found.valid))

    @on_tensors
    def describe_boxes(
        self, batch: Mapping[str, Tensor], *, boxes: Tensor, class_ids: Tensor, valid: Tensor
    ) -> dict[str, Tensor]:
        """Predicts masks and extra fields of given boxes, by the heads that follow the box head.

        Args:
            batch: `images` and `windows` of `Batch`.
            boxes: `[B, D, 4]` float32, yxyx pixels of the model input; zeros in unused slots. D must be static.
            class_ids: `[B, D]` int32.
            valid: `[B, D]` bool, the slot holds a box.

        Returns:
            `masks` and the fields of `RawDetections.extras` by name, as a call has them for its own boxes.
        """
        pyramid = self._pyramid(batch, training=False)
        return self._fields(pyramid, batch, boxes=boxes, class_ids=class_ids, valid=valid)

    @on_tensors
    def validate(self, batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], RawDetections]:
        """Computes losses, and detections by the choices for evaluation, in one pass over the images.

        Args:
            batch: all fields of `Batch` by name.

        Returns:
            The losses by name, with their weighted sum as `loss`, and the detections.
        """
        image_size = _image_size(batch["images"])
        for_training, for_detection = self.numbers.post_nms_topk_train, self.numbers.post_nms_topk
        pyramid = self._pyramid(batch, training=False)
        scored, proposals = self.rpn(
            pyramid, image_size=image_size, count=max(for_training, for_detection), windows=batch["windows"]
        )
        outputs = self._outputs(pyramid, scored, _first(proposals, for_training), batch=batch, training=False)
        total, parts = self.losses_of(outputs)
        choices = self.choices.for_evaluation()
        found = self._detect(pyramid, _first(proposals, for_detection), batch, choices=choices)
        return {"loss": total, **parts}, found

    def losses_of(self, outputs: Outputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Computes the total loss and its parts.

        Args:
            outputs: predictions and targets of a batch.

        Returns:
            The weighted sum of the losses plus the L2 term, and each of them by name, without its weight.
        """
        predicted = (outputs.rpn, outputs.box, *outputs.heads, *outputs.image_heads)
        values: dict[str, Tensor] = {}
        for head, of_head in zip(self._all_heads, predicted, strict=True):
            values |= head.losses(of_head, across=self.replica_sum)
        usual = {name: weight for head in self.image_heads for name, weight in head.loss_weights.items()}
        weights = {**usual, **self.numbers.loss_weights}
        l2 = decay.l2_loss(self.trainable_variables, weight_decay=self.numbers.weight_decay) / self.num_replicas
        total = l2
        for name, value in values.items():
            total = total + weights.get(name, 1.0) * value
        return total, {**values, "l2_loss": l2}

    def compute_loss(  # noqa: PLR0917 -- the signature is that of Keras
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Computes the loss that Keras differentiates and updates the means of its parts.

        Args:
            x: not used.
            y: not used.
            y_pred: the `Outputs` of a training call.
            sample_weight: not used.
            training: not used.

        Returns:
            A float32 scalar; on several devices, this device's share of the loss.
        """
        total, parts = self.losses_of(y_pred)
        for tracker in self.trackers:
            # the devices' values add up to the global value, but Keras averages them
            tracker.update_state(parts[tracker.name] * self.num_replicas)
        return total

    def _pyramid(self, batch: Mapping[str, Tensor], *, training: bool) -> tuple[Tensor, ...]:
        return self.neck(self.backbone(self._pixels(batch), training=training), training=training)

    def _pixels(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Subtracts the mean and divides by the standard deviation of the channels."""
        pixels = ops.cast(batch["images"], "float32")
        if self.numbers.image_order == "bgr":
            pixels = native.reverse_last(pixels)
        pixels = pixels - ops.convert_to_tensor(self.numbers.image_mean, dtype="float32")
        if self.numbers.image_std is not None:
            pixels = pixels / ops.convert_to_tensor(self.numbers.image_std, dtype="float32")
        if self.numbers.padding == "mean":
            pixels = ops.where(_inside(batch["windows"], pixels)[..., None], pixels, 0.0)
        return pixels

    def _outputs(
        self,
        pyramid: Sequence[Tensor],
        scored: AnchorScores,
        proposals: Proposals,
        *,
        batch: Mapping[str, Tensor],
        training: bool,
    ) -> Outputs:
        how: dict[str, Any] = {"image_size": _image_size(batch["images"]), "training": training}
        maps = pyramid[:HEAD_LEVELS]
        box = self.box.outputs(maps, proposals, batch, **how)
        heads = tuple(head.outputs(maps, box.targets, batch, **how) for head in self.heads)
        of_images = tuple(head.outputs(maps, batch, training=training) for head in self.image_heads)
        return Outputs(self.rpn.outputs(scored, batch), box, heads, of_images)

    def _detect(
        self, pyramid: Sequence[Tensor], proposals: Proposals, batch: Mapping[str, Tensor], *, choices: Choices
    ) -> RawDetections:
        found = self._boxes(pyramid, proposals, batch, choices=choices)
        fields = self._fields(pyramid, batch, boxes=found.boxes, class_ids=found.class_ids, valid=found.valid)
        further = {
            name: value for head in self.image_heads for name, value in head.decode(pyramid[:HEAD_LEVELS]).items()
        }
        return RawDetections(**found._asdict(), masks=fields.pop("masks"), extras=fields, maps=further)

    def _boxes(
        self, pyramid: Sequence[Tensor], proposals: Proposals, batch: Mapping[str, Tensor], *, choices: Choices
    ) -> Found:
        maps, image_size = pyramid[:HEAD_LEVELS], _image_size(batch["images"])
        return self.box.detect(maps, proposals, batch["windows"], image_size=image_size, choices=choices)

    def _fields(
        self,
        pyramid: Sequence[Tensor],
        batch: Mapping[str, Tensor],
        *,
        boxes: Tensor,
        class_ids: Tensor,
        valid: Tensor,
    ) -> dict[str, Tensor]:
        maps, image_size = pyramid[:HEAD_LEVELS], _image_size(batch["images"])
        fields: dict[str, Tensor] = {}
        for head in self.heads:
            fields |= head.decode(maps, boxes, class_ids, valid=valid, image_size=image_size)
        return fields if "masks" in fields else {"masks": _whole_boxes(valid), **fields}


def _image_size(images: Tensor) -> Size:
    """Reads height and width: Python ints, or float32 scalars where the graph does not know them."""
    height, width = (side if isinstance(side, int) else ops.cast(side, "float32") for side in ops.shape(images)[1:3])
    return height, width


def _whole_boxes(valid: Tensor) -> Tensor:
    """Makes the masks `[B, D, 1, 1]` of a model without mask head: each object fills its box."""
    return ops.cast(valid, "float32")[..., None, None]


def _inside(windows: Tensor, images: Tensor) -> Tensor:
    """Marks the pixels of images `[B, H, W, C]` inside the windows `[B, 4]`: `[B, H, W]` bool."""
    sides = ops.shape(images)[1:3]
    y, x = (ops.arange(side, dtype="float32")[None] for side in sides)
    rows = (y >= windows[:, 0:1]) & (y < windows[:, 2:3])
    columns = (x >= windows[:, 1:2]) & (x < windows[:, 3:4])
    return rows[:, :, None] & columns[:, None, :]


def _first(proposals: Proposals, count: int) -> Proposals:
    """Selects the best `count` proposals; an NMS with `count` outputs selects the same."""
    return Proposals(*(field[:, :count] for field in proposals))
