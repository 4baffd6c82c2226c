"""Settings of Matterport's Mask R-CNN: every key of the config's `model` object for this family.

Sizes and counts have Matterport's values as defaults. The defaults of the conventions, which `config.compatibility`
lists, are their better forms; the key `compatibility` switches all of them to those of an older code base.
Source: Mask R-CNN (2017) and FPN (2017) as Matterport's release built them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from mrcnn.config import compatibility
from mrcnn.config.base import (
    Flag,
    Fraction,
    Index,
    NotNegative,
    Number,
    Positive,
    PositiveFraction,
    PositiveInt,
    Settings,
)
from mrcnn.config.model import FAMILY, ModelConfig

PYRAMID_LEVELS = 5  # P2 to P6

DeltaStd = tuple[Positive, Positive, Positive, Positive]


class LossWeights(Settings):
    """Factors by which the losses are multiplied before they are added.

    Losses of `extra_heads` may be added by name.

    Training checks the names, since the heads may be those of the start weights.
    """

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, NotNegative] = Field(init=False)

    rpn_class_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    rpn_bbox_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    mrcnn_class_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    mrcnn_bbox_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")
    mrcnn_mask_loss: NotNegative = Field(default=1.0, description="factor of that loss in the sum")


class MatterportConfig(ModelConfig):
    """Architecture, sampling and detection settings of Matterport's Mask R-CNN.

    Sizes are pixels of the model input; there is one anchor size per pyramid level.
    """

    LOSSES: ClassVar[tuple[str, ...]] = tuple(LossWeights.model_fields)
    TRAIN_LAYERS: ClassVar[tuple[str, ...]] = ("all", "3+", "4+", "5+", "heads")
    NETWORK: ClassVar[tuple[str, ...]] = (
        "backbone", "channels", "image_mean", "anchor_sizes", "anchor_aspect_ratios", "fpn_channels", "rpn_channels",
        "box_fc_channels", "box_pool_size", "mask_pool_size", "mask_size", "rpn_delta_std", "box_delta_std",
        "image_range", "extra_heads",
    )  # fmt: skip

    family: Literal["matterport"] = Field(default="matterport", description=FAMILY)
    compatibility: Literal["matterport", "supervisely"] | None = Field(
        default=None,
        description=(
            "the conventions of Matterport's code of 2019, of the older code in the Supervisely plugin, or "
            "the better ones"
        ),
    )

    backbone: Literal["resnet101", "resnet50"] = Field(
        default="resnet101", description="the network below the feature pyramid"
    )
    image_mean: tuple[Number, ...] = Field(
        default=(123.7, 116.8, 103.9), description="subtracted from the image, RGB; one number per channel"
    )
    batch_norm: Literal["frozen", "trained", "synchronized"] = Field(
        default="frozen",
        description=(
            "statistics as loaded, of each batch and device, or of each batch over all devices; training them from "
            "random weights needs batches of 4 or more"
        ),
    )

    anchor_sizes: Annotated[tuple[Positive, ...], Field(min_length=PYRAMID_LEVELS, max_length=PYRAMID_LEVELS)] = Field(
        default=(
            32.0,
            64.0,
            128.0,
            256.0,
            512.0,
        ),
        description="side of the anchors of P2 to P6",
    )
    anchor_aspect_ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(0.5, 1.0, 2.0), description="width / height of the anchors"
    )
    anchor_offset: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.5,
        description=(
            "**convention**: of the anchors' centres, in strides; 0.5 centres them on their cells, 0 (both "
            "older codes) puts them on the cells' corners"
        ),
    )

    fpn_channels: PositiveInt = Field(default=256, description="width of the feature pyramid")
    rpn_channels: PositiveInt = Field(default=512, description="width of the region proposal network")
    box_fc_channels: PositiveInt = Field(default=1024, description="width of the box head")

    box_normalization: Literal["pixels", "minus_one"] = Field(
        default="pixels",
        description=(
            "**convention**: boxes are divided by the image's sides, or, shifted, by the sides less one (Matterport)"
        ),
    )
    pre_nms_topk: PositiveInt = Field(
        default=2000,
        description=(
            "**convention**: best anchors that go into the proposals' NMS; 6000 of the pyramid in both older codes"
        ),
    )
    pre_nms_topk_scope: Literal["level", "pyramid"] = Field(
        default="level",
        description=(
            "**convention**: `pre_nms_topk` and the NMS apply to each pyramid level alone, or to all levels together"
        ),
    )
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
    roi_add_gt_boxes: Flag = Field(
        default=True, description="**convention**: the objects' own boxes join the proposals that train the heads"
    )
    roi_negatives: Literal["fill", "two_per_object"] = Field(
        default="fill",
        description=(
            "**convention**: background regions fill all slots that object regions leave, or only as many as keep "
            "`roi_positive_fraction`, so an image without objects trains no head"
        ),
    )
    count_unused_rois: Flag = Field(
        default=False, description="**convention**: unused slots of `roi_samples` count as background in the class loss"
    )
    ignore_share: Fraction | None = Field(
        default=0.5,
        description=(
            "**convention**: a box that lies in a crowd by this share is no background, besides those of IoU "
            "0.001; null: by the IoU alone"
        ),
    )
    detach_targets: Flag = Field(
        default=True,
        description=(
            "**convention**: the box targets' gradient stops at the proposals; false lets the box loss train "
            "the RPN too"
        ),
    )
    initial_values: Literal["balanced", "he"] = Field(
        default="balanced",
        description=(
            "**convention**: the first values of the layers that no weight file brings; `he` (Matterport) "
            "starts the box head with large values and the outputs for boxes and masks near 0, `balanced` "
            "with values of the size of their inputs"
        ),
    )

    box_pool_size: PositiveInt = Field(default=7, description="side of a region's features in the box head")
    mask_pool_size: PositiveInt = Field(default=14, description="side of a region's features in the mask head")
    mask_size: PositiveInt = Field(default=28, description="side of a predicted mask, twice `mask_pool_size`")
    mask_targets: Literal["soft", "cells", "corners"] = Field(
        default="soft",
        description=(
            "**convention**: a mask target holds the share of each cell that the object covers, or 1 where "
            "that is a half or more, read at the middles of the cells or from edge to edge"
        ),
    )
    roi_align: Literal["crop_and_resize", "aligned", "unaligned"] = Field(
        default="aligned",
        description=(
            "**convention**: how a region's features are read: with the half-pixel shift (detectron2), "
            "without (torchvision), or one corner-aligned sample per bin (both older codes)"
        ),
    )
    roi_sampling_ratio: Index = Field(
        default=2,
        description=(
            "**convention**: samples per side of a pooled cell; 0 as many as it has cells; 1 with crop_and_resize"
        ),
    )
    rpn_delta_std: DeltaStd = Field(
        default=(1.0, 1.0, 1.0, 1.0), description="**convention**: what the RPN's deltas are divided by"
    )
    box_delta_std: DeltaStd = Field(
        default=(0.1, 0.1, 0.2, 0.2), description="what the box head's deltas are divided by"
    )

    box_loss_average: Literal["objects", "samples"] = Field(
        default="samples",
        description=(
            "**convention**: the sum of smooth L1 over the deltas of object anchors and regions is divided by all "
            "anchors and regions that were drawn (torchvision; smooth L1 is linear from 1/9 on), or the number "
            "of those deltas (both older codes; linear from 1 on)"
        ),
    )

    detection_classes: Literal["all", "best"] = Field(
        default="all",
        description=(
            "**convention**: a region gives a detection for each class that reaches `score_threshold`, or only for its "
            "best class"
        ),
    )
    detection_nms_scope: Literal["class", "all"] = Field(
        default="class", description="whether a detection suppresses only those of its class, or any"
    )

    weight_decay: NotNegative = Field(default=1e-4, description="factor of the L2 term of the loss")
    loss_weights: LossWeights = LossWeights()

    @property
    def title(self) -> str:
        """The backbone's name."""
        return self.backbone

    @property
    def extra_losses(self) -> tuple[str, ...]:
        """Names in `loss_weights` besides `LOSSES`."""
        return tuple(self.loss_weights.model_extra or ())

    @property
    def input_shape(self) -> str:
        """Shape of a new model's input: `square` with conventions of older code, else `rectangle`."""
        return "square" if self.compatibility else "rectangle"

    @property
    def imagenet_backbone(self) -> str:
        """The backbone's name."""
        return self.backbone

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether batch norm normalises by the statistics of each device's batch in training."""
        return self.batch_norm == "trained"

    def trained_with(self) -> dict[str, Any]:
        """Collects the settings that differ from the defaults of the model's `compatibility`.

        Returns:
            `compatibility`, and each convention and size that differs from what `compatibility` implies.
        """
        usual = type(self)(compatibility=self.compatibility)
        names = (*compatibility.CONVENTIONS[self.compatibility], *self.NETWORK)
        return {"compatibility": self.compatibility, **self.differing(usual, names)}

    @model_validator(mode="before")
    @classmethod
    def _apply_compatibility(cls, values: Any) -> Any:
        return compatibility.with_conventions(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _check_what_belongs_together(self) -> Self:
        if len(self.image_mean) != self.channels:
            raise ValueError(
                f"`image_mean` must hold one number per channel, {self.channels}, got {len(self.image_mean)}"
            )
        if self.roi_align == "crop_and_resize" and self.roi_sampling_ratio != 1:
            raise ValueError(
                f"`roi_sampling_ratio` must be 1 with `roi_align` crop_and_resize, got {self.roi_sampling_ratio}"
            )
        if self.rpn_negative_iou > self.rpn_positive_iou:
            raise ValueError(
                f"`rpn_negative_iou` must not exceed `rpn_positive_iou`, got {self.rpn_negative_iou} "
                f"and {self.rpn_positive_iou}"
            )
        if self.mask_size != 2 * self.mask_pool_size:
            raise ValueError(
                f"`mask_size` must be twice `mask_pool_size`, got {self.mask_size} and {self.mask_pool_size}; "
                f"use {2 * self.mask_pool_size}"
            )
        return self
