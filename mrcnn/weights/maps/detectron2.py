"""Tensors of detectron2's Mask R-CNN, Keypoint R-CNN, Cascade R-CNN, PointRend and Panoptic FPN, and of its ResNets.

detectron2's last class is the background, which has neither box nor mask; in this project it is the first.
Source: detectron2 at 02b5c4e2, `modeling`: names and shapes of the state dicts.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from mrcnn.structures import SEMANTIC, of_stage
from mrcnn.weights import names
from mrcnn.weights.maps import detectron2_heads
from mrcnn.weights.maps.entries import Entry, Form, Tensors, conv, norm, pair

BODY = "backbone.bottom_up."
KEYPOINT_CONVOLUTIONS = 8
# begins of the names of all tensors that act on detections
USED = (
    "backbone.", "proposal_generator.rpn_head.", "roi_heads.box_", "roi_heads.mask_", "roi_heads.keypoint_",
    f"{detectron2_heads.SEMANTIC}.",
)  # fmt: skip
_MASKS = ("mask_head.predictor", "mask_head.coarse_head.prediction")
_STAGE = re.compile(r"roi_heads\.box_(?:head|predictor)\.(\d{1,2})\.")
USUAL = {"rpn_convolutions": 1}  # the published number of parts, where it is not 0


def is_detector(tensors: Collection[str]) -> bool:
    """Checks whether tensors are those of a detector; `tensors` are their names."""
    return f"{BODY}stem.conv1.weight" in tensors


def is_backbone(tensors: Collection[str]) -> bool:
    """Checks whether tensors are those of an ImageNet ResNet; `tensors` are their names."""
    return "stem.conv1.weight" in tensors and "res2.0.conv1.weight" in tensors


def settings_of(tensors: Tensors) -> dict[str, Any]:
    """Derives the `model` settings of a detector from names and shapes of its tensors.

    Args:
        tensors: a state dict for which `is_detector` is true.

    Returns:
        Keys of `Detectron2Config`.
    """
    found: dict[str, Any] = {
        "family": "detectron2",
        "backbone": depth_of(tensors, BODY),
        "heads": [
            name
            for name, weights in (("masks", _MASKS), ("keypoints", ("keypoint_head.score_lowres",)))
            if any(f"roi_heads.{weight}.weight" in tensors for weight in weights)
        ],
        "channels": tensors[f"{BODY}stem.conv1.weight"].shape[1],
    }
    form = form_of(tensors)
    parts = {
        "rpn_convolutions": form.rpn_convolutions,
        "box_convolutions": form.box_convolutions,
        "fpn_norm": "backbone.fpn_lateral2.norm.weight" in tensors,
        "mask_norm": "roi_heads.mask_head.mask_fcn1.norm.weight" in tensors,
        "class_agnostic_boxes": form.class_agnostic_boxes,
        **({"box_head": "cascade"} if form.box_stages > 1 else {}),
        "class_agnostic_masks": form.class_agnostic_masks,
        **({"mask_head": "pointrend"} if form.pointrend else {}),
        **({"extra_heads": [SEMANTIC]} if form.semantic else {}),
    }
    return found | {name: value for name, value in parts.items() if value != USUAL.get(name, 0)}


def num_classes(tensors: Tensors) -> int:
    """Counts the classes of a detector, with the background."""
    return tensors[f"roi_heads.box_predictor{_stage(1, of=_box_stages(tensors))}.cls_score.weight"].shape[0]


def num_keypoints(tensors: Tensors) -> int:
    """Counts the points of a detector with a keypoint head; 0 without one."""
    weight = tensors.get("roi_heads.keypoint_head.score_lowres.weight")
    return 0 if weight is None else weight.shape[1]


def num_stuff(tensors: Tensors) -> int:
    """Counts the stuff classes of a detector with a semantic head; 0 without one."""
    return detectron2_heads.num_stuff(tensors)


def depth_of(tensors: Collection[str], prefix: str) -> str:
    """Finds the ResNet's depth from the names of its tensors: `resnet50` or `resnet101`."""
    return "resnet101" if f"{prefix}res4.22.conv1.weight" in tensors else "resnet50"


def backbone_entries(depth: str, *, prefix: str) -> Iterator[Entry]:
    """Yields the tensors of a ResNet.

    Args:
        depth: `resnet50` or `resnet101`.
        prefix: of the tensors' names.
    """
    yield from _unit(f"{prefix}stem.conv1", "conv1", "bn_conv1")
    for stage, number, block in names.blocks(names.depth_number(depth)):
        theirs = f"{prefix}res{stage}.{number - 1}"
        if number == 1:
            yield from _unit(f"{theirs}.shortcut", f"res{block}_branch1", f"bn{block}_branch1")
        for place, branch in enumerate(("2a", "2b", "2c"), start=1):
            yield from _unit(f"{theirs}.conv{place}", f"res{block}_branch{branch}", f"bn{block}_branch{branch}")


def form_of(tensors: Tensors) -> Form:
    """Finds the form of a detector from names and shapes of its tensors.

    With one class besides the background, class-agnostic and class-specific layers have the same shape and count as
    class-specific. A cascade always has class-agnostic boxes.
    """
    stages = _box_stages(tensors)
    first = _stage(1, of=stages)
    convolutions = [number for number in range(1, 9) if f"roi_heads.box_head{first}.conv{number}.weight" in tensors]
    coarse = detectron2_heads.num_coarse(tensors)
    several = _outputs(tensors, f"box_predictor{first}.cls_score") > 2
    return Form(
        depth_of(tensors, BODY),
        rpn_convolutions=2 if "proposal_generator.rpn_head.conv.conv1.weight" in tensors else 1,
        box_convolutions=len(convolutions),
        class_agnostic_boxes=stages > 1 or (several and _outputs(tensors, "box_predictor.bbox_pred") == 4),
        class_agnostic_masks=several and 1 in (_outputs(tensors, "mask_head.predictor"), coarse),
        box_stages=stages,
        pointrend=detectron2_heads.has_pointrend(tensors),
        semantic=detectron2_heads.num_stuff(tensors) > 0,
    )


def entries(form: Form) -> Iterator[Entry]:
    """Yields the tensors of a detector in detectron2's order.

    It also yields tensors of heads and norms that the detector lacks; these are missing in its state dict.
    """
    for level in (2, 3, 4, 5):
        for theirs, ours in (("fpn_lateral", f"fpn_c{level}p{level}"), ("fpn_output", f"fpn_p{level}")):
            yield from conv(f"backbone.{theirs}{level}", ours)
            yield from norm(f"backbone.{theirs}{level}.norm", f"{ours}_bn")
    yield from backbone_entries(form.backbone, prefix=BODY)
    if form.rpn_convolutions == 1:
        yield from conv("proposal_generator.rpn_head.conv", "rpn_conv_shared")
    else:
        yield from conv("proposal_generator.rpn_head.conv.conv0", "rpn_conv_shared")
        yield from conv("proposal_generator.rpn_head.conv.conv1", "rpn_conv_shared2")
    yield from conv("proposal_generator.rpn_head.objectness_logits", "rpn_class_raw")
    yield from pair("proposal_generator.rpn_head.anchor_deltas", "rpn_bbox_pred", "anchor_deltas", bias="deltas")
    for stage in range(1, form.box_stages + 1):
        yield from _box_head(form, stage)
    for stage in range(1, form.box_stages + 1):
        yield from _box_predictor(form, stage)
    of_masks = "" if form.class_agnostic_masks else "_of_objects"
    if form.pointrend:
        yield from detectron2_heads.pointrend_entries(class_agnostic=form.class_agnostic_masks)
    else:
        yield from _convolutions("roi_heads.mask_head.mask_fcn", "mrcnn_mask", 4)
        yield from pair("roi_heads.mask_head.deconv", "mrcnn_mask_deconv", "transposed_conv")
        yield from pair("roi_heads.mask_head.predictor", "mrcnn_mask", f"conv{of_masks}", bias=f"same{of_masks}")
    if form.semantic:
        yield from detectron2_heads.semantic_entries()
    for number in range(1, KEYPOINT_CONVOLUTIONS + 1):
        yield from conv(f"roi_heads.keypoint_head.conv_fcn{number}", f"mrcnn_keypoint_conv{number}")
    yield from pair("roi_heads.keypoint_head.score_lowres", "mrcnn_keypoint_deconv", "transposed_conv")


def _box_head(form: Form, stage: int) -> Iterator[Entry]:
    theirs = f"roi_heads.box_head{_stage(stage, of=form.box_stages)}"
    yield from _convolutions(f"{theirs}.conv", "mrcnn_box", form.box_convolutions, stage=stage)
    yield from pair(f"{theirs}.fc1", of_stage("mrcnn_class_conv1", stage), "regions")
    yield from pair(f"{theirs}.fc2", of_stage("mrcnn_class_conv2", stage), "connected")


def _box_predictor(form: Form, stage: int) -> Iterator[Entry]:
    theirs = f"roi_heads.box_predictor{_stage(stage, of=form.box_stages)}"
    yield from pair(f"{theirs}.cls_score", of_stage("mrcnn_class_logits", stage), "dense_last", bias="same_last")
    shared = "" if form.class_agnostic_boxes else "_of_objects"
    ours = of_stage("mrcnn_bbox_fc", stage)
    yield from pair(f"{theirs}.bbox_pred", ours, f"box_deltas{shared}", bias=f"deltas{shared}")


def _box_stages(tensors: Collection[str]) -> int:
    """Counts the stages of a cascade of box heads by the names of the tensors; 1 for a single box head."""
    found = (match[1] for match in map(_STAGE.match, tensors) if match)
    return max((int(number) + 1 for number in found), default=1)


def _stage(stage: int, *, of: int) -> str:
    """Returns the part of a tensor's name that has the number of the stage, which detectron2 counts from 0."""
    return f".{stage - 1}" if of > 1 else ""


def _outputs(tensors: Tensors, head: str) -> int:
    """Counts the outputs of the last layer of a head; 0 without it."""
    weight = tensors.get(f"roi_heads.{head}.weight")
    return 0 if weight is None or not weight.ndim else weight.shape[0]


def _convolutions(head: str, ours: str, count: int, *, stage: int = 1) -> Iterator[Entry]:
    for number in range(1, count + 1):
        yield from conv(f"{head}{number}", of_stage(f"{ours}_conv{number}", stage))
        yield from norm(f"{head}{number}.norm", of_stage(f"{ours}_bn{number}", stage))


def _unit(tensor: str, layer: str, norm_layer: str) -> Iterator[Entry]:
    yield from conv(tensor, layer, bias=False)
    yield from norm(f"{tensor}.norm", norm_layer)
