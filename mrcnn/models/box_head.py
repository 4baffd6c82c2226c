"""Builds the box head that `box_head` in a family's settings names: one stage, or a cascade of them."""

from collections.abc import Callable
from typing import Any

from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.heads.box.head import Boxes
from mrcnn.heads.box.network import BoxHead
from mrcnn.heads.cascade.head import CascadeBoxes
from mrcnn.heads.cascade.targets import StageTargetGenerator


def build(config: RcnnConfig, network: Callable[..., BoxHead], **kwargs: Any) -> Boxes:
    """Builds the box head.

    Args:
        config: settings of a family.
        network: builds the network of a stage; arguments of `BoxHead` may be added.
        **kwargs: further arguments of `Boxes`: its other layers, the targets being those of the first stage.
    """
    if not config.is_cascade:
        return Boxes(network=network(), **kwargs)
    later = list(zip(config.cascade_ious, config.cascade_delta_std, strict=True))[1:]
    return CascadeBoxes(
        network=network(class_agnostic=True),
        later_networks=[network(class_agnostic=True, stage=stage) for stage in range(2, len(later) + 2)],
        later_targets=[
            StageTargetGenerator(positive_iou=iou, ignore_share=config.ignore_share, delta_std=std)
            for iou, std in later
        ],
        **kwargs,
    )
