"""Builds the parts of the mask head that all families of Mask R-CNN have alike, or can have instead of their own."""

from collections.abc import Mapping
from typing import Any

from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.heads.mask.hourglass import HourglassMaskHead
from mrcnn.heads.mask.point_targets import PointTargetGenerator
from mrcnn.heads.mask.targets import MaskTargetGenerator


def hourglass(config: RcnnConfig, common: Mapping[str, Any], *, batch_norm: str) -> HourglassMaskHead:
    """Builds the hourglass that `model.mask_head` names.

    No published file has its weights, so its batch norms learn their statistics, also where the family's are fixed.

    Args:
        config: settings of the architecture.
        common: `num_classes`, `initial_values` and `feature_dtype` are read.
        batch_norm: the family's mode; all but `synchronized` become `trained`.
    """
    return HourglassMaskHead(
        kind=config.mask_head,
        batch_norm=batch_norm if batch_norm == "synchronized" else "trained",
        class_agnostic=config.class_agnostic_masks,
        **{name: common[name] for name in ("num_classes", "initial_values", "feature_dtype")},
    )


def targets(config: RcnnConfig, *, form: str) -> MaskTargetGenerator | PointTargetGenerator:
    """Builds what computes the targets of the mask head, by what it learns from.

    Args:
        config: settings of the architecture.
        form: of targets computed from masks, as for `MaskTargetGenerator`.
    """
    if config.needs:
        return PointTargetGenerator(share=config.mask_point_share)
    return MaskTargetGenerator(mask_size=config.mask_size, form=form)
