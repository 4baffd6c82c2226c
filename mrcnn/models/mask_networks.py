"""Builds the parts of the mask head that all families of Mask R-CNN have alike, or can have instead of their own."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.heads.mask.head import Masks
from mrcnn.heads.mask.hourglass import HourglassMaskHead
from mrcnn.heads.mask.point_targets import PointTargetGenerator
from mrcnn.heads.mask.pointrend import FineFeatures, PointRendNetwork
from mrcnn.heads.mask.pointrend_head import PointRendMasks
from mrcnn.heads.mask.targets import MaskTargetGenerator
from mrcnn.ops import sampling


def head(
    config: RcnnConfig,
    common: Mapping[str, Any],
    *,
    features: keras.layers.Layer,
    network: Callable[[], keras.layers.Layer],
    form: str,
    batch_norm: str,
    box_normalization: str = "pixels",
) -> Masks:
    """Builds the mask head that `model.mask_head` names.

    Args:
        config: settings of the architecture.
        common: `num_classes`, `initial_values` and `feature_dtype` are read.
        features: the family's sampling of features; PointRend has its own.
        network: builds the family's own network, for `fcn`.
        form: of targets computed from masks, as for `MaskTargetGenerator`.
        batch_norm: the family's mode, as for `hourglass`.
        box_normalization: the family's frame, as for `Masks`; PointRend's is that of pixels.
    """
    shared: dict[str, Any] = {
        "max_objects": sampling.most_objects(config.roi_samples, config.roi_positive_fraction),
        "train_boxes": config.mask_train_boxes,
        "targets": targets(config, form=form),
        "name": "masks",
    }
    if config.has_pointrend:
        return PointRendMasks(
            features=FineFeatures(output_size=config.mask_pool_size, name=features.name),
            network=pointrend(config, common),
            mask_size=config.mask_size,
            **shared,
        )
    return Masks(
        features=features,
        network=hourglass(config, common, batch_norm=batch_norm) if config.has_hourglass else network(),
        repeat_regions=config.has_hourglass,
        box_normalization=box_normalization,
        **shared,
    )


def pointrend(config: RcnnConfig, common: Mapping[str, Any]) -> PointRendNetwork:
    """Builds PointRend's networks, which have no batch norm.

    Args:
        config: settings of the architecture.
        common: `num_classes`, `initial_values` and `feature_dtype` are read.
    """
    return PointRendNetwork(
        pool_size=config.mask_pool_size,
        class_agnostic=config.class_agnostic_masks,
        **{name: common[name] for name in ("num_classes", "initial_values", "feature_dtype")},
    )


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
    side = config.mask_pool_size // 2 if config.has_pointrend else config.mask_size  # of the masks that are compared
    return MaskTargetGenerator(mask_size=side, form=form)
