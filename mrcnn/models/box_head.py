"""Builds the box head that `box_head` in a family's settings names: one stage, or a cascade of them."""

from collections.abc import Callable
from typing import Any

from mrcnn.config.families.rcnn import RcnnConfig
from mrcnn.heads.box.decode import SIGMOID
from mrcnn.heads.box.head import Boxes
from mrcnn.heads.box.network import BoxHead
from mrcnn.heads.cascade.head import CascadeBoxes
from mrcnn.heads.cascade.targets import StageTargetGenerator

# first score of each class where it is a sigmoid: a loss over hundreds of classes that all begin at 0.5 would be
# hundreds of times too large. Source: RetinaNet (2017), section 3.3, and the release of Zhou et al. (2021)
PRIOR = 0.01


def build(config: RcnnConfig, network: Callable[..., BoxHead], **kwargs: Any) -> Boxes:
    """Builds the box head.

    Args:
        config: settings of a family.
        network: builds the network of a stage; arguments of `BoxHead` may be added.
        **kwargs: further arguments of `Boxes`: its other layers, the targets being those of the first stage.
    """
    kwargs |= {"class_loss": config.class_loss, "federated_classes": config.federated_classes}
    if not config.is_cascade:
        return Boxes(network=_started(network(), config), **kwargs)
    later = list(zip(config.cascade_ious, config.cascade_delta_std, strict=True))[1:]
    return CascadeBoxes(
        network=_started(network(class_agnostic=True), config),
        later_networks=[
            _started(network(class_agnostic=True, stage=stage), config) for stage in range(2, len(later) + 2)
        ],
        later_targets=[
            StageTargetGenerator(positive_iou=iou, ignore_share=config.ignore_share, delta_std=std)
            for iou, std in later
        ],
        **kwargs,
    )


def _started(network: BoxHead, config: RcnnConfig) -> BoxHead:
    if config.class_scoring == SIGMOID:
        network.start_sigmoids_at(PRIOR)
    return network
