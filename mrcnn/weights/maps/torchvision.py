"""Tensors of torchvision's Mask R-CNN and Keypoint R-CNN, and of its ImageNet ResNets.

Source: torchvision 0.29, `models/detection` and `models/resnet.py`: names and shapes of the state dicts.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from mrcnn.weights import names
from mrcnn.weights.maps.entries import Entry, Form, Tensors, conv, norm, pair

BODY = "backbone.body."
_OLDER = re.compile(  # convolutions of versions before 0.13, which now are in a block with a norm
    r"(?P<level>backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(?:weight|bias)"
    r"|(?P<rpn>rpn\.head\.conv)\.(?:weight|bias)"
    r"|(?P<mask>roi_heads\.mask_head)\.mask_fcn(?P<number>[1-9])\.(?:weight|bias)"
)
KEYPOINT_CONVOLUTIONS = 8
# begins of the names of all tensors that act on detections
USED = ("backbone.", "rpn.", "roi_heads.box_", "roi_heads.mask_", "roi_heads.keypoint_")


def renamed(tensors: Tensors) -> dict[str, np.ndarray]:
    """Renames tensors of torchvision before 0.13 to the present names.

    Other tensors keep their names. The published files of the first version have the older names.
    """
    return {_present_name(name): values for name, values in tensors.items()}


def is_detector(tensors: Collection[str]) -> bool:
    """Checks whether tensors are those of a detector; `tensors` are their names."""
    return f"{BODY}conv1.weight" in tensors


def is_backbone(tensors: Collection[str]) -> bool:
    """Checks whether tensors are those of an ImageNet ResNet; `tensors` are their names."""
    return "layer1.0.conv1.weight" in tensors and "layer1.0.conv3.weight" in tensors


def settings_of(tensors: Tensors) -> dict[str, Any]:
    """Derives the `model` settings of a detector from names and shapes of its tensors.

    Args:
        tensors: a state dict for which `is_detector` is true.

    Returns:
        Keys of `TorchvisionConfig` or `TorchvisionV2Config`.
    """
    is_second = "backbone.fpn.inner_blocks.0.1.weight" in tensors
    heads = [name for name, prefix in (("masks", "mask"), ("keypoints", "keypoint")) if _has(tensors, prefix)]
    return {
        "family": "torchvision_v2" if is_second else "torchvision",
        "backbone": depth_of(tensors, BODY),
        "heads": heads,
        "channels": tensors[f"{BODY}conv1.weight"].shape[1],
    }


def num_classes(tensors: Tensors) -> int:
    """Counts the classes of a detector, with the background."""
    return tensors["roi_heads.box_predictor.cls_score.weight"].shape[0]


def num_keypoints(tensors: Tensors) -> int:
    """Counts the points of a detector with a keypoint head; 0 without one."""
    weight = tensors.get("roi_heads.keypoint_predictor.kps_score_lowres.weight")
    return 0 if weight is None else weight.shape[1]


def num_stuff(tensors: Tensors) -> int:
    """Counts stuff classes; torchvision's detectors have none."""
    return 0


def depth_of(tensors: Collection[str], prefix: str) -> str:
    """Finds the ResNet's depth from the names of its tensors: `resnet50` or `resnet101`."""
    return "resnet101" if f"{prefix}layer3.22.conv1.weight" in tensors else "resnet50"


def backbone_entries(depth: str, *, prefix: str) -> Iterator[Entry]:
    """Yields the tensors of a ResNet.

    Args:
        depth: `resnet50` or `resnet101`.
        prefix: of the tensors' names.
    """
    yield from conv(f"{prefix}conv1", "conv1", bias=False)
    yield from norm(f"{prefix}bn1", "bn_conv1")
    for stage, number, block in names.blocks(names.depth_number(depth)):
        theirs = f"{prefix}layer{stage - 1}.{number - 1}"
        for place, branch in enumerate(("2a", "2b", "2c"), start=1):
            yield from conv(f"{theirs}.conv{place}", f"res{block}_branch{branch}", bias=False)
            yield from norm(f"{theirs}.bn{place}", f"bn{block}_branch{branch}")
        if number == 1:
            yield from conv(f"{theirs}.downsample.0", f"res{block}_branch1", bias=False)
            yield from norm(f"{theirs}.downsample.1", f"bn{block}_branch1")


def form_of(tensors: Tensors) -> Form:
    """Finds the form of a detector from the names of its tensors."""
    is_deep = "roi_heads.box_head.0.0.weight" in tensors
    rpn = 2 if "rpn.head.conv.1.0.weight" in tensors else 1
    return Form(depth_of(tensors, BODY), rpn_convolutions=rpn, box_convolutions=4 if is_deep else 0)


def entries(form: Form) -> Iterator[Entry]:
    """Yields the tensors of a detector in torchvision's order.

    It also yields tensors of heads and norms that the detector lacks; these are missing in its state dict.
    """
    yield from backbone_entries(form.backbone, prefix=BODY)
    for theirs, ours in (("inner_blocks", "fpn_c{0}p{0}"), ("layer_blocks", "fpn_p{0}")):
        for place, level in enumerate((2, 3, 4, 5)):
            yield from conv(f"backbone.fpn.{theirs}.{place}.0", ours.format(level))
            yield from norm(f"backbone.fpn.{theirs}.{place}.1", f"{ours.format(level)}_bn")
    for place in range(form.rpn_convolutions):
        yield from conv(f"rpn.head.conv.{place}.0", f"rpn_conv_shared{place + 1 if place else ''}")
    yield from conv("rpn.head.cls_logits", "rpn_class_raw")
    yield from pair("rpn.head.bbox_pred", "rpn_bbox_pred", "anchor_deltas", bias="deltas")
    yield from _convolutions("roi_heads.box_head", "mrcnn_box", form.box_convolutions)
    first = form.box_convolutions + 1 if form.box_convolutions else "fc6"  # a layer that flattens comes between
    yield from pair(f"roi_heads.box_head.{first}", "mrcnn_class_conv1", "regions")
    yield from pair("roi_heads.box_head.fc7", "mrcnn_class_conv2", "connected")
    yield from pair("roi_heads.box_predictor.cls_score", "mrcnn_class_logits", "dense")
    yield from pair("roi_heads.box_predictor.bbox_pred", "mrcnn_bbox_fc", "box_deltas", bias="deltas")
    yield from _convolutions("roi_heads.mask_head", "mrcnn_mask", 4)
    yield from pair("roi_heads.mask_predictor.conv5_mask", "mrcnn_mask_deconv", "transposed_conv")
    yield from conv("roi_heads.mask_predictor.mask_fcn_logits", "mrcnn_mask")
    for place in range(KEYPOINT_CONVOLUTIONS):
        yield from conv(f"roi_heads.keypoint_head.{2 * place}", f"mrcnn_keypoint_conv{place + 1}")
    yield from pair("roi_heads.keypoint_predictor.kps_score_lowres", "mrcnn_keypoint_deconv", "transposed_conv")


def _convolutions(head: str, ours: str, count: int) -> Iterator[Entry]:
    for place in range(count):
        yield from conv(f"{head}.{place}.0", f"{ours}_conv{place + 1}")
        yield from norm(f"{head}.{place}.1", f"{ours}_bn{place + 1}")


def _present_name(name: str) -> str:
    match = _OLDER.fullmatch(name)
    if match is None:
        return name
    kind = name.rpartition(".")[2]
    if match["mask"]:
        return f"{match['mask']}.{int(match['number']) - 1}.0.{kind}"
    return f"{match['level']}.0.{kind}" if match["level"] else f"{match['rpn']}.0.0.{kind}"


def _has(tensors: Collection[str], head: str) -> bool:
    return any(name.startswith(f"roi_heads.{head}_predictor.") for name in tensors)
