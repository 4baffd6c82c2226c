"""Settings of Matterport's Mask R-CNN: every key of the config's `model` object for this family.

Sizes and counts have Matterport's values as defaults, but for the width of the RPN. The defaults of the conventions,
which `config.compatibility` lists, are their better forms; the key `compatibility` switches all of them, and that
width, to those of an older code base.
Source: Mask R-CNN (2017) and FPN (2017) as Matterport's release built them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mrcnn.config import compatibility
from mrcnn.config.base import (
    Flag,
    Index,
    Number,
    PositiveInt,
)
from mrcnn.config.families.rcnn import DeltaStd, RcnnConfig, check_channels
from mrcnn.config.model import FAMILY


class MatterportConfig(RcnnConfig):
    """Architecture, sampling and detection settings of Matterport's Mask R-CNN.

    Sizes are pixels of the model input; there is one anchor size per pyramid level.
    """

    NETWORK: ClassVar[tuple[str, ...]] = (*RcnnConfig.NETWORK, "image_mean", "rpn_delta_std")
    NEWER: ClassVar[Mapping[str, Any]] = {**RcnnConfig.NEWER, "class_agnostic_masks": False}

    family: Literal["matterport"] = Field(default="matterport", description=FAMILY)
    compatibility: Literal["matterport", "supervisely"] | None = Field(
        default=None,
        description=(
            "the conventions of Matterport's code of 2019, of the older code in the Supervisely plugin, or "
            "the better ones"
        ),
    )

    image_mean: tuple[Number, ...] = Field(
        default=(123.7, 116.8, 103.9), description="subtracted from the image, RGB; one number per channel"
    )
    batch_norm: Literal["frozen", "trained", "synchronized"] = Field(
        default="frozen",
        description=(
            "`frozen`: the statistics stay as loaded; `trained`: each device normalises by the statistics of its part "
            "of the batch; `synchronized`: by those of the whole batch over all devices. The last two need batches of "
            "4 or more with random weights"
        ),
    )

    rpn_channels: PositiveInt = Field(
        default=256, description="width of the region proposal network; 512 with a `compatibility` other than null"
    )
    anchor_offset: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description=(
            "**convention**: offset of the anchors' centres, in strides; 0 (both older codes too) puts them on the "
            "cells' corners, 0.5 in the middle of the cells"
        ),
    )

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

    mask_targets: Literal["soft", "cells", "corners"] = Field(
        default="soft",
        description=(
            "**convention**: `soft`: a mask target is the share of each cell that the object covers; `cells`: it is 1 "
            "where that share is a half or more, else 0; `corners`: it is 1 where the mask, read on a grid from edge "
            "to edge of the region, is above a half (both older codes)"
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
            "**convention**: samples per side of a pooled cell; 0: as many as the cell has cells of the feature map "
            "per side, rounded up; 1 with crop_and_resize"
        ),
    )
    rpn_delta_std: DeltaStd = Field(
        default=(1.0, 1.0, 1.0, 1.0), description="**convention**: what the RPN's deltas are divided by"
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

    @property
    def input_shape(self) -> str:
        """Shape of a new model's input: `square` with conventions of older code, else `rectangle`."""
        return "square" if self.compatibility else "rectangle"

    @property
    def uses_batch_statistics(self) -> bool:
        """Whether batch norm normalises by the statistics of each device's batch in training."""
        return self.batch_norm == "trained"

    def trained_with(self) -> dict[str, Any]:
        """Collects the settings that differ from the defaults of the model's `compatibility`.

        Returns:
            `compatibility`, each convention and size that differs from what `compatibility` implies, and
            `rpn_channels`: weights keep it when another `compatibility` is asked for.
        """
        usual = type(self)(compatibility=self.compatibility)
        names = (*compatibility.CONVENTIONS[self.compatibility], *self.NETWORK)
        kept = {"compatibility": self.compatibility, "rpn_channels": self.rpn_channels}
        return {**kept, **self.differing(usual, names)}

    @model_validator(mode="before")
    @classmethod
    def _apply_compatibility(cls, values: Any) -> Any:
        return compatibility.with_conventions(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _check_what_belongs_together(self) -> Self:
        check_channels("image_mean", self.image_mean, channels=self.channels)
        if self.roi_align == "crop_and_resize" and self.roi_sampling_ratio != 1:
            raise ValueError(
                f"`roi_sampling_ratio` must be 1 with `roi_align` crop_and_resize, got {self.roi_sampling_ratio}"
            )
        return self
