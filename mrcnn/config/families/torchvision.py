"""Settings of torchvision's and detectron2's Mask R-CNN: the keys of a config's `model`.

The defaults are the published ones. Box deltas are (dy, dx, dh, dw) and aspect ratios width / height in all families;
`weights.maps` converts what the code bases order otherwise.
Sources: torchvision 0.29, `models/detection`; detectron2 at 02b5c4e2, `config/defaults.py`, Base-RCNN-FPN.yaml.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mrcnn.config.base import Flag, Index, NotNegative, Number, Positive, PositiveInt
from mrcnn.config.families.rcnn import RcnnConfig, check_channels, other_default
from mrcnn.config.model import CASCADE, FAMILY, ModelConfig
from mrcnn.structures import ResNetRules

BatchNormMode = Literal["fixed", "frozen", "trained", "synchronized"]
HeadName = Literal["masks", "keypoints"]
KEYPOINTS = "keypoints"


class TorchConfig(RcnnConfig):
    """Settings that torchvision's and detectron2's models share, with torchvision's defaults.

    Sizes are pixels of the model input; there is one anchor size for each level of the pyramid.
    """

    TRAIN_LAYERS: ClassVar[tuple[str, ...]] = ("all", "2+", "3+", "4+", "5+", "heads")
    NETWORK: ClassVar[tuple[str, ...]] = (
        *RcnnConfig.NETWORK, "heads", "image_mean", "image_std", "image_order", "norm_epsilon", "stride_in", "fpn_norm",
        "rpn_convolutions", "box_convolutions", "mask_norm", "class_agnostic_boxes", "anchor_rounding",
        "roi_align", "roi_sampling_ratio", "image_fit", "image_resize", "mask_paste",
    )  # fmt: skip

    backbone: Literal["resnet50", "resnet101"] = other_default(RcnnConfig, "backbone", "resnet50")
    image_mean: tuple[Number, ...] = Field(
        default=(123.675, 116.28, 103.53), description="subtracted from the image, in the order of `image_order`"
    )
    image_std: tuple[Positive, ...] = Field(
        default=(58.395, 57.12, 57.375), description="what the channels are then divided by"
    )
    image_order: Literal["rgb", "bgr"] = Field(default="rgb", description="order of the channels in the network")
    stride_in: Literal["1x1", "3x3"] = Field(
        default="3x3", description="the convolution of a ResNet block that has the stride"
    )
    batch_norm: BatchNormMode = Field(
        default="fixed",
        description=(
            "`fixed`: statistics, gamma and beta stay as loaded; `frozen`: the statistics stay as loaded, gamma and "
            "beta train; `trained`: all train, and each device normalises by the statistics of its part of the batch, "
            "which must not be small; `synchronized`: the same by the statistics of the whole batch over all devices"
        ),
    )
    norm_epsilon: NotNegative = Field(
        default=1e-5,
        description="added to the variance by batch norm; the published weights of torchvision's first version need 0",
    )
    fpn_norm: Flag = Field(default=False, description="whether the pyramid's convolutions have batch norm")
    mask_norm: Flag = Field(default=False, description="whether the mask head's convolutions have batch norm")
    rpn_convolutions: PositiveInt = Field(
        default=1, description="number of 3x3 convolutions in the region proposal network"
    )
    box_convolutions: Index = Field(
        default=0,
        description=(
            "number of convolutions with batch norm in the box head, before one fully connected layer; 0: no "
            "convolutions and two fully connected layers"
        ),
    )
    class_agnostic_boxes: Flag = Field(
        default=False, description="whether a region has one box for all classes; always with `box_head` cascade"
    )

    anchor_aspect_ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = other_default(
        RcnnConfig, "anchor_aspect_ratios", (2.0, 1.0, 0.5)
    )
    anchor_rounding: Flag = Field(
        default=True, description="whether half the sides of the anchors are rounded to whole pixels"
    )
    anchor_offset: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.0, description="offset of the anchors' centres, in strides; 0 puts them on the cells' corners"
    )
    pre_nms_topk: PositiveInt = Field(
        default=1000, description="best anchors of each level that go into the proposals' NMS, at inference"
    )
    pre_nms_topk_train: PositiveInt = Field(default=2000, description="the same in training")
    roi_samples: PositiveInt = other_default(RcnnConfig, "roi_samples", 512)
    roi_positive_fraction: Annotated[float, Field(gt=0, le=1)] = other_default(
        RcnnConfig, "roi_positive_fraction", 0.25
    )
    roi_align: Literal["unaligned", "aligned"] = Field(
        default="unaligned",
        description="RoIAlign with the half-pixel shift: `aligned` (detectron2), or without: `unaligned` (torchvision)",
    )
    roi_sampling_ratio: Index = Field(
        default=2,
        description=(
            "samples per side of a pooled cell; 0: as many as the cell has cells of the feature map per side, rounded "
            "up"
        ),
    )
    mask_targets: Literal["soft", "cells"] = Field(
        default="soft",
        description=(
            "`soft`: a mask target is the share of each cell that the object covers; `cells`: it is 1 where that "
            "share is a half or more, else 0"
        ),
    )
    box_loss_beta: NotNegative = Field(
        default=1 / 9, description="smooth L1 of the box losses: the difference from which the loss is linear; 0: L1"
    )
    heads: Annotated[tuple[HeadName, ...], Field(max_length=2)] = Field(
        default=("masks",),
        description=(
            "what the model predicts besides boxes; without `masks` a detection's mask is its whole box. `keypoints` "
            "adds the head of that name to `extra_heads`"
        ),
    )

    image_fit: Literal["centred", "torchvision", "detectron2"] = other_default(ModelConfig, "image_fit", "torchvision")
    mask_paste: Literal["bilinear", "fading", "stretched", "expanded", "sampled"] = other_default(
        ModelConfig, "mask_paste", "expanded"
    )
    score_threshold: Annotated[float, Field(ge=0, le=1)] = other_default(ModelConfig, "score_threshold", 0.05)
    weight_decay: NotNegative = other_default(RcnnConfig, "weight_decay", 0.0)

    @property
    def title(self) -> str:
        """Family and backbone."""
        return f"{self.family}, {self.backbone}"

    @property
    def resnet(self) -> ResNetRules:
        """The rules of the family's ResNet, by its settings."""
        return ResNetRules(
            self.backbone,
            code_base="detectron2" if self.family == "detectron2" else "torchvision",
            image_order=self.image_order,
            image_std=self.image_std,
            epsilon=self.norm_epsilon,
            stride_in=self.stride_in,
        )

    @property
    def has_masks(self) -> bool:
        """Whether `heads` has `masks`."""
        return "masks" in self.heads

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether batch norm normalises by the statistics of each device's batch in training."""
        return self.batch_norm == "trained"

    @model_validator(mode="before")
    @classmethod
    def _add_keypoint_head(cls, values: Any) -> Any:
        """Adds the keypoint head to `heads` or `extra_heads` where only the other names it."""
        if not isinstance(values, Mapping):
            return values
        heads, others = values.get("heads", cls.model_fields["heads"].default), values.get("extra_heads", ())
        if not isinstance(heads, list | tuple) or not isinstance(others, list | tuple):
            return values  # which the check of the field reports
        if KEYPOINTS in heads and KEYPOINTS not in others:
            return {**values, "extra_heads": (*others, KEYPOINTS)}
        if KEYPOINTS in others and "heads" not in values:
            return {**values, "heads": (*heads, KEYPOINTS)}
        return values

    @model_validator(mode="before")
    @classmethod
    def _share_boxes(cls, values: Any) -> Any:
        """Sets `class_agnostic_boxes` for a cascade where the key is left out."""
        if isinstance(values, Mapping) and values.get("box_head") == CASCADE:
            return {"class_agnostic_boxes": True, **values}
        return values

    @model_validator(mode="after")
    def _check_shared_boxes(self) -> Self:
        if self.is_cascade and not self.class_agnostic_boxes:
            raise ValueError(
                "`class_agnostic_boxes` must be true with `box_head` cascade, got false; leave it out, or set "
                "`box_head` to single"
            )
        return self

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        check_channels("image_mean", self.image_mean, channels=self.channels)
        check_channels("image_std", self.image_std, channels=self.channels)
        if len(set(self.heads)) != len(self.heads):
            raise ValueError(f"`heads` must name each head once, got {list(self.heads)}")
        if KEYPOINTS in self.extra_heads and KEYPOINTS not in self.heads:
            raise ValueError(
                f"`heads` must name {KEYPOINTS} as `extra_heads` does, got {list(self.heads)}; add it, or set "
                "`extra_heads` without it"
            )
        return self


class TorchvisionConfig(TorchConfig):
    """Settings of torchvision's `maskrcnn_resnet50_fpn` and `keypointrcnn_resnet50_fpn`."""

    LEVEL_MARGIN: ClassVar[float] = 1e-6
    KEYPOINT_DECODING: ClassVar[str] = "torchvision"
    KEYPOINT_SHIFT: ClassVar[float] = 0.5

    family: Literal["torchvision"] = Field(default="torchvision", description=FAMILY)


class TorchvisionV2Config(TorchConfig):
    """Settings of torchvision's `maskrcnn_resnet50_fpn_v2`: batch norm in all parts, deeper heads."""

    LEVEL_MARGIN: ClassVar[float] = TorchvisionConfig.LEVEL_MARGIN
    KEYPOINT_DECODING: ClassVar[str] = TorchvisionConfig.KEYPOINT_DECODING
    KEYPOINT_SHIFT: ClassVar[float] = TorchvisionConfig.KEYPOINT_SHIFT

    family: Literal["torchvision_v2"] = Field(default="torchvision_v2", description=FAMILY)
    batch_norm: BatchNormMode = other_default(TorchConfig, "batch_norm", "trained")
    fpn_norm: Flag = other_default(TorchConfig, "fpn_norm", True)
    mask_norm: Flag = other_default(TorchConfig, "mask_norm", True)
    rpn_convolutions: PositiveInt = other_default(TorchConfig, "rpn_convolutions", 2)
    box_convolutions: Index = other_default(TorchConfig, "box_convolutions", 4)


class Detectron2Config(TorchConfig):
    """Settings of detectron2's `mask_rcnn_R_50_FPN` and `keypoint_rcnn_R_50_FPN`."""

    family: Literal["detectron2"] = Field(default="detectron2", description=FAMILY)
    image_mean: tuple[Number, ...] = other_default(TorchConfig, "image_mean", (103.53, 116.28, 123.675))
    image_std: tuple[Positive, ...] = other_default(TorchConfig, "image_std", (1.0, 1.0, 1.0))
    image_order: Literal["rgb", "bgr"] = other_default(TorchConfig, "image_order", "bgr")
    stride_in: Literal["1x1", "3x3"] = other_default(TorchConfig, "stride_in", "1x1")
    anchor_rounding: Flag = other_default(TorchConfig, "anchor_rounding", False)
    post_nms_topk_train: PositiveInt = other_default(RcnnConfig, "post_nms_topk_train", 1000)
    roi_align: Literal["unaligned", "aligned"] = other_default(TorchConfig, "roi_align", "aligned")
    roi_sampling_ratio: Index = other_default(TorchConfig, "roi_sampling_ratio", 0)
    mask_targets: Literal["soft", "cells"] = other_default(TorchConfig, "mask_targets", "cells")
    box_loss_beta: NotNegative = other_default(TorchConfig, "box_loss_beta", 0.0)
    image_fit: Literal["centred", "torchvision", "detectron2"] = other_default(ModelConfig, "image_fit", "detectron2")
    image_resize: Literal["exact", "truncated", "smoothed"] = other_default(ModelConfig, "image_resize", "smoothed")
    mask_paste: Literal["bilinear", "fading", "stretched", "expanded", "sampled"] = other_default(
        ModelConfig, "mask_paste", "sampled"
    )
