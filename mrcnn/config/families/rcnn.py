"""Settings that all families of Mask R-CNN with a ResNet and a feature pyramid have.

Each family's own record adds to them. Sizes are pixels of the model input; there is one anchor size for each level of
the pyramid.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from mrcnn.config.base import Flag, Fraction, NotNegative, Positive, PositiveFraction, PositiveInt, Settings
from mrcnn.config.errors import shown
from mrcnn.config.keypoints import KEYPOINT_CHANNELS
from mrcnn.config.model import (
    CASCADE,
    CASCADE_DELTA_STD,
    CASCADE_IOUS,
    FEDERATED_CLASSES,
    MASK_POINTS,
    ModelConfig,
)
from mrcnn.structures import ResNetRules, of_stage

PYRAMID_LEVELS = 5  # P2 to P6
HOURGLASS_POOL = 32  # side of a region's features, as published; a mask has twice as many cells
HOURGLASS_TRUTH = 112  # side of a stored ground-truth mask, as published
# how often each hourglass halves the side of its features
HALVINGS: Mapping[str, int] = {"hourglass20": 2, "hourglass32": 3, "hourglass52": 5, "hourglass100": 5}
POINTREND = "pointrend"
POINTREND_LOSS = "mrcnn_mask_point_loss"
POINTREND_TRUTH = 112  # side of a stored ground-truth mask; detectron2 reads the whole image's masks
POINTREND_DOUBLINGS = 3  # of the first mask, which has twice the sides of the features, as published: 14 to 28 to 224
BOX_LOSSES = ("mrcnn_class_loss", "mrcnn_bbox_loss")  # those that each stage of a cascade has

DeltaStd = tuple[Positive, Positive, Positive, Positive]


class LossWeights(Settings):
    """Factors by which the losses are multiplied before they are added.

    Losses of `extra_heads` may be added by name. Training checks the names, since the start weights may set the heads.
    """

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, NotNegative] = Field(init=False)

    rpn_class_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    rpn_bbox_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    mrcnn_class_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    mrcnn_bbox_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    mrcnn_mask_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")


class RcnnConfig(ModelConfig):
    """Sizes, samples and thresholds of a Mask R-CNN with a ResNet and a feature pyramid.

    Attributes:
        LEVEL_MARGIN: the `margin` of `ops.levels.assign_levels`.
        KEYPOINT_DECODING: rule for the scores of keypoints, see `heads.keypoint.decode`.
        KEYPOINT_SHIFT: pixels of the model input added to decoded keypoints: 0.5 where weights were trained on the
            indices of pixels, 0 where on positions.
    """

    LOSSES: ClassVar[tuple[str, ...]] = tuple(LossWeights.model_fields)
    TRAIN_LAYERS: ClassVar[tuple[str, ...]] = ("all", "3+", "4+", "5+", "heads")
    NETWORK: ClassVar[tuple[str, ...]] = (
        *ModelConfig.NETWORK, "backbone", "anchor_sizes", "anchor_aspect_ratios", "fpn_channels", "rpn_channels",
        "box_fc_channels", "box_pool_size", "mask_pool_size", "mask_size", "box_delta_std", "keypoint_channels",
        "class_agnostic_masks", "mask_head",
        "box_head", "cascade_ious", "cascade_delta_std", "class_loss",
    )  # fmt: skip

    LEVEL_MARGIN: ClassVar[float] = 0.0
    KEYPOINT_DECODING: ClassVar[str] = "detectron2"
    KEYPOINT_SHIFT: ClassVar[float] = 0.0

    backbone: Literal["resnet101", "resnet50"] = Field(
        default="resnet101", description="the network below the feature pyramid"
    )
    anchor_sizes: Annotated[tuple[Positive, ...], Field(min_length=PYRAMID_LEVELS, max_length=PYRAMID_LEVELS)] = Field(
        default=(32.0, 64.0, 128.0, 256.0, 512.0), description="side of the anchors of P2 to P6"
    )
    anchor_aspect_ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(0.5, 1.0, 2.0), description="width / height of the anchors"
    )
    fpn_channels: PositiveInt = Field(default=256, description="width of the feature pyramid")
    rpn_channels: PositiveInt = Field(default=256, description="width of the region proposal network")
    box_fc_channels: PositiveInt = Field(default=1024, description="width of the box head")
    post_nms_topk_train: PositiveInt = Field(default=2000, description="proposals kept in training")
    post_nms_topk: PositiveInt = Field(default=1000, description="proposals kept at inference")
    rpn_nms_iou_threshold: Fraction = Field(default=0.7, description="IoU threshold of the proposals' NMS")
    rpn_samples: PositiveInt = Field(default=256, description="anchors per image in the RPN losses")
    rpn_positive_fraction: PositiveFraction = Field(default=0.5, description="largest share of objects among them")
    rpn_positive_iou: PositiveFraction = Field(default=0.7, description="overlap from which an anchor is an object")
    rpn_negative_iou: Fraction = Field(
        default=0.3, description="overlap below which it is background; not above `rpn_positive_iou`"
    )
    roi_samples: PositiveInt = Field(default=200, description="regions per image that train the heads")
    roi_positive_fraction: PositiveFraction = Field(default=0.33, description="largest share of objects among them")
    roi_positive_iou: PositiveFraction = Field(default=0.5, description="overlap from which a region is an object")
    ignore_share: Fraction | None = Field(
        default=0.5,
        description=(
            "**convention**: a box is no background in training if this share of its area is in a crowd, or its IoU "
            "with a crowd is 0.001 or more; null: the IoU alone decides"
        ),
    )
    box_pool_size: PositiveInt = Field(default=7, description="side of a region's features in the box head")
    keypoint_channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = Field(
        default=KEYPOINT_CHANNELS, description="widths of the convolutions of the head `keypoints`"
    )
    keypoint_normalizer: Literal["visible", "static"] = Field(
        default="visible",
        description=(
            "the keypoint loss is divided by the number of points that train it, or by the largest number that a batch "
            "can have, so that few points have a small loss"
        ),
    )
    mask_pool_size: PositiveInt = Field(default=14, description="side of a region's features in the mask head")
    mask_size: PositiveInt = Field(
        default=28,
        description="side of a predicted mask, twice `mask_pool_size`, with `mask_head` pointrend times a power of 2",
    )
    class_agnostic_masks: Flag = Field(default=False, description="whether a region has one mask for all classes")
    mask_head: Literal["fcn", "hourglass20", "hourglass32", "hourglass52", "hourglass100", "pointrend"] = Field(
        default="fcn",
        description=(
            "network of the mask head: the family's own convolutions (`fcn`); an hourglass of that many convolutions "
            "(Deep-MAC), with which `class_agnostic_masks` is true, `mask_pool_size` 32, `mask_size` 64 and "
            "`gt_mask_size` 112 unless given; or `pointrend`, which refines a mask where it is uncertain, with "
            "`mask_size` 224 and `gt_mask_size` 112 unless given ([mask heads](heads.md))"
        ),
    )
    mask_train_boxes: Literal["proposals", "ground_truth", "both"] = Field(
        default="proposals",
        description=(
            "the boxes of the mask loss: the sampled `proposals` of objects, the objects' own boxes (`ground_truth`), "
            "or `both`. Deep-MAC trains on the objects' own boxes, for better masks of classes that have none in the "
            "data ([mask heads](heads.md))"
        ),
    )
    mask_supervision: Literal["masks", "points"] = Field(
        default="masks",
        description=(
            "what the mask head learns from: the objects' masks, or labelled points of them (`points`), so that the "
            "training data needs boxes and points but no masks ([points instead of masks](heads.md))"
        ),
    )
    mask_points: PositiveInt | None = Field(
        default=None,
        description=(
            "with `mask_supervision` points: the number of points of an object that are used; an object may have "
            "fewer, and of more the first ones are used. null: the most that an object of the data has"
        ),
    )
    mask_point_share: PositiveFraction = Field(
        default=0.5,
        description=(
            "with `mask_supervision` points: the share of an object's points, rounded up, that is drawn in each "
            "training step; 1 uses all"
        ),
    )
    box_delta_std: DeltaStd = Field(
        default=(0.1, 0.1, 0.2, 0.2), description="what the box head's deltas are divided by"
    )
    box_head: Literal["single", "cascade"] = Field(
        default="single",
        description=(
            "`cascade`: Cascade R-CNN, box heads in stages, each on the boxes that the one before refined, with one "
            "box for all classes ([heads](heads.md))"
        ),
    )
    cascade_ious: Annotated[tuple[PositiveFraction, ...], Field(min_length=2)] = Field(
        default=CASCADE_IOUS,
        description=(
            "with `box_head` cascade: the overlap from which a region is an object, of each stage; the first is "
            "`roi_positive_iou`"
        ),
    )
    cascade_delta_std: Annotated[tuple[DeltaStd, ...], Field(min_length=2)] = Field(
        default=CASCADE_DELTA_STD,
        description=(
            "with `box_head` cascade: what the deltas of each stage are divided by; the first is `box_delta_std`"
        ),
    )
    class_loss: Literal["softmax", "sigmoid", "federated"] = Field(
        default="softmax",
        description=(
            "what a region's scores are. `softmax`: of one class or the background, which add up to 1; `sigmoid`: of "
            "each class alone; `federated`: as `sigmoid`, where only the classes of a batch's objects and some others "
            "have a loss, for data whose images are annotated for some classes only ([rare "
            "classes](data.md#rare-classes))"
        ),
    )
    federated_classes: PositiveInt = Field(
        default=FEDERATED_CLASSES,
        description=(
            "with `class_loss` federated: the number of classes that have a loss in a step, those of the batch's "
            "objects and others drawn by the root of their number of training images"
        ),
    )
    weight_decay: NotNegative = Field(default=1e-4, description="factor of the L2 term of the loss")
    loss_weights: LossWeights = LossWeights()

    @property
    def title(self) -> str:
        """The backbone's name."""
        return self.backbone

    @property
    def is_cascade(self) -> bool:
        """Whether the box head is a cascade."""
        return self.box_head == CASCADE

    @property
    def last_delta_std(self) -> tuple[float, ...]:
        """What the deltas that give the detections' boxes are divided by: those of the last stage of a cascade."""
        return self.cascade_delta_std[-1] if self.is_cascade else self.box_delta_std

    @property
    def class_scoring(self) -> str:
        """Whether the scores of a region's classes are a `softmax` or `sigmoid` of its logits."""
        return "softmax" if self.class_loss == "softmax" else "sigmoid"

    @property
    def uses_class_counts(self) -> bool:
        """Whether training needs the number of images of each class."""
        return self.class_loss == "federated"

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses of the family's own heads, with those of PointRend's points and of a cascade's later stages."""
        own = (*self.LOSSES, POINTREND_LOSS) if self.has_masks and self.has_pointrend else self.LOSSES
        if not self.is_cascade:
            return own
        later = range(2, len(self.cascade_ious) + 1)
        return (*own, *(of_stage(name, stage) for stage in later for name in BOX_LOSSES))

    @property
    def extra_losses(self) -> tuple[str, ...]:
        """Names in `loss_weights` besides `LOSSES`."""
        return tuple(self.loss_weights.model_extra or ())

    @property
    def resnet(self) -> ResNetRules:
        """Matterport's rules, with as many channels as the images have."""
        return ResNetRules(self.backbone, image_std=(1.0,) * self.channels)

    @property
    def has_hourglass(self) -> bool:
        """Whether the mask head is an hourglass."""
        return self.mask_head in HALVINGS

    @property
    def has_pointrend(self) -> bool:
        """Whether the mask head is PointRend's."""
        return self.mask_head == POINTREND

    @property
    def refines_cells(self) -> bool:
        """PointRend refines cells, where the model has masks."""
        return self.has_masks and self.has_pointrend

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the extra fields of objects from which the family's own heads learn."""
        return (MASK_POINTS,) if self.has_masks and self.mask_supervision == "points" else ()

    @property
    def has_class_masks(self) -> bool:
        """Whether a region has a mask for each class, so that only objects of a class teach its masks."""
        return self.has_masks and not self.class_agnostic_masks

    @model_validator(mode="before")
    @classmethod
    def _imply_sizes_of_mask_head(cls, values: Any) -> Any:
        """Fills in the sizes of an hourglass or of PointRend that the config leaves open."""
        if isinstance(values, Mapping) and values.get("mask_head") == POINTREND:
            pool = values.get("mask_pool_size", cls.model_fields["mask_pool_size"].default)
            implied = {"gt_mask_size": POINTREND_TRUTH}
            return {
                **implied,
                **({"mask_size": 2 * pool << POINTREND_DOUBLINGS} if type(pool) is int else {}),
                **values,
            }
        if not isinstance(values, Mapping) or values.get("mask_head") not in tuple(HALVINGS):
            return values
        pool = values.get("mask_pool_size", HOURGLASS_POOL)
        implied = {"class_agnostic_masks": True, "mask_pool_size": pool, "gt_mask_size": HOURGLASS_TRUTH}
        return {**implied, **({"mask_size": 2 * pool} if type(pool) is int else {}), **values}

    @model_validator(mode="after")
    def _check_pool_size(self) -> Self:
        step = 2 if self.has_pointrend else 2 ** HALVINGS.get(self.mask_head, 0)
        if self.mask_pool_size % step:
            raise ValueError(
                f"`mask_pool_size` must be a multiple of {step} with `mask_head` {self.mask_head}, got "
                f"{self.mask_pool_size}; use {self.mask_pool_size // step * step or step}"
            )
        return self

    @model_validator(mode="after")
    def _check_cascade(self) -> Self:
        if not self.is_cascade:
            return self
        stages, factors = len(self.cascade_ious), len(self.cascade_delta_std)
        if stages != factors:
            raise ValueError(
                f"`cascade_delta_std` must have {stages} entries, one for each stage of `cascade_ious`, got {factors}"
            )
        firsts = {
            "roi_positive_iou": (self.cascade_ious[0], "cascade_ious"),
            "box_delta_std": (self.cascade_delta_std[0], "cascade_delta_std"),
        }
        for key, (first, of_stages) in firsts.items():
            if (value := getattr(self, key)) != first:
                raise ValueError(
                    f"`{key}` must be the first of `{of_stages}`, {shown(first)}, got {shown(value)}; set both"
                )
        return self

    @model_validator(mode="after")
    def _check_overlaps_and_mask(self) -> Self:
        if self.rpn_negative_iou > self.rpn_positive_iou:
            raise ValueError(
                f"`rpn_negative_iou` must not exceed `rpn_positive_iou`, got {self.rpn_negative_iou} "
                f"and {self.rpn_positive_iou}"
            )
        if self.has_pointrend:
            self._check_doublings()
        elif self.mask_size != 2 * self.mask_pool_size:
            raise ValueError(
                f"`mask_size` must be twice `mask_pool_size`, got {self.mask_size} and {self.mask_pool_size}; "
                f"use {2 * self.mask_pool_size}"
            )
        return self

    def _check_doublings(self) -> None:
        first = 2 * self.mask_pool_size
        factor, rest = divmod(self.mask_size, first)
        if rest or factor.bit_count() != 1:
            raise ValueError(
                f"`mask_size` must be {first}, {2 * first}, {4 * first} and so on with `mask_head` pointrend and "
                f"`mask_pool_size` {self.mask_pool_size}, got {self.mask_size}; use {first << POINTREND_DOUBLINGS}"
            )


def check_channels(name: str, values: tuple[float, ...], *, channels: int) -> None:
    """Checks that a setting has one number for each channel of an image.

    Raises:
        ValueError: it has another number of them.
    """
    if len(values) != channels:
        raise ValueError(f"`{name}` must hold one number per channel, {channels}, got {len(values)}")


def other_default(record: type[ModelConfig], name: str, default: Any) -> Any:
    """Makes a field that differs from that of the base class only in its default.

    Args:
        record: the base.
        name: of the field.
        default: the subclass's value.
    """
    return Field(default=default, description=record.model_fields[name].description)
