"""Small state dicts with the names of torchvision's and detectron2's models; all values are zeros."""

import numpy as np

from mrcnn.weights import foreign
from mrcnn.weights.maps.entries import Form

SECOND = Form("resnet50", rpn_convolutions=2, box_convolutions=4)
NORMS = ("fpn_c", "fpn_p", "mrcnn_mask_bn", "mrcnn_box_bn")  # begins of layers whose batch norm only v2 has

SIZES = {"fpn_channels": 2, "rpn_channels": 2, "box_fc_channels": 2}  # of the detectors, from their shapes


def shape_of(entry, *, num_classes, anchors=3, shared=False):
    """Chooses the smallest shape that the entry's kind allows; `shared`: one box for all classes."""
    last = entry.tensor.split(".")[-2]
    outputs = {
        "cls_score": num_classes, "bbox_pred": 4 * num_classes, "cls_logits": anchors, "objectness_logits": anchors,
    }.get(last, 2)  # fmt: skip
    if entry.kind == "anchor_deltas" or (entry.kind == "deltas" and "rpn" in entry.tensor):
        outputs = 4 * anchors
    if entry.kind.endswith("deltas_of_objects"):
        outputs = 4 * (num_classes - 1)
    if entry.layer.startswith("mrcnn_bbox_fc") and entry.kind in ("box_deltas", "deltas") and shared:
        outputs = 4
    if entry.kind.startswith("coarse_masks"):
        outputs = 49 * (num_classes - 1)
    if entry.weight != "kernel":
        return (outputs,)
    if entry.kind.startswith("point"):
        return (outputs, 256 + num_classes - 1, 1)
    inputs = 3 if entry.layer == "conv1" else 2
    if entry.kind == "regions":
        return (outputs, 256 * 7 * 7)
    return (
        (outputs, inputs)
        if entry.kind
        in ("dense", "dense_last", "connected", "box_deltas", "box_deltas_of_objects", "coarse_masks_of_objects")
        else (outputs, inputs, 1, 1)
    )


def detector(code_base, *, num_classes=3, form=None, heads=("masks",), drop=()):
    """Makes the state dict of a detector; `drop` lists tensors that it lacks."""
    form = form or Form("resnet50")
    second = form.rpn_convolutions == 2
    shared = form.class_agnostic_boxes
    lacking = [prefix for head, prefix in foreign.HEAD_LAYERS.items() if head not in heads]
    found = {}
    for entry in foreign.CODE_BASES[code_base].entries(form):
        is_norm = entry.weight not in ("kernel", "bias")
        if entry.layer.startswith(tuple(lacking)) or (is_norm and not second and entry.layer.startswith(NORMS)):
            continue
        if entry.layer == "mrcnn_class_conv2" and second:
            continue
        if entry.tensor not in drop:
            found[entry.tensor] = np.zeros(shape_of(entry, num_classes=num_classes, shared=shared), np.float32)
    return found


def backbone(code_base, *, depth="resnet50", drop=()):
    """Makes the state dict of an ImageNet ResNet without its classifier."""
    entries = foreign.CODE_BASES[code_base].backbone_entries(depth, prefix="")
    return {
        entry.tensor: np.zeros(shape_of(entry, num_classes=3), np.float32)
        for entry in entries
        if entry.tensor not in drop
    }
