"""Small state dicts with the names of torchvision's and detectron2's, one channel wide where a map allows it."""

import numpy as np

from mrcnn.weights.maps import detectron2, torchvision
from mrcnn.weights.maps.entries import Form

MASKS = ("mask", "keypoint")
SHAPES = {
    "same": (2,),
    "conv": (2, 3, 1, 1),
    "transposed_conv": (2, 2, 2, 2),
    "regions": (2, 256 * 4),
    "connected": (2, 2),
    "dense": (3, 2),
    "anchor_deltas": (12, 2, 1, 1),
    "deltas": (12,),
    "box_deltas": (12, 2),
    "dense_last": (3, 2),
    "same_last": (3,),
    "box_deltas_of_objects": (8, 2),
    "deltas_of_objects": (8,),
    "conv_of_objects": (2, 2, 1, 1),
    "same_of_objects": (2,),
}

# of the detectors, read from the shapes above
SIZES = {"fpn_channels": 2, "rpn_channels": 2, "box_fc_channels": 2, "box_pool_size": 2}


def detector(code_base="torchvision", *, without=("keypoint", ".norm.", "fpn.inner_blocks.0.1", "fpn.layer_blocks")):
    """Makes a detector; names with one of `without` in them are left out, but for those of the backbone."""
    source = {"torchvision": torchvision, "detectron2": detectron2}[code_base]
    found = {}
    for number, entry in enumerate(source.entries(Form("resnet50"))):
        if entry.tensor.startswith(source.BODY) or not any(part in entry.tensor for part in without):
            found[entry.tensor] = np.full(SHAPES[entry.kind], number, np.float32)
    return found


def backbone(code_base="torchvision", depth="resnet50"):
    """Makes an ImageNet ResNet."""
    source = {"torchvision": torchvision, "detectron2": detectron2}[code_base]
    return {
        entry.tensor: np.ones(SHAPES[entry.kind], np.float32) for entry in source.backbone_entries(depth, prefix="")
    }
