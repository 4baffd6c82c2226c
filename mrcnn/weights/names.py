"""Names and order of the weights in Matterport's files.

Source: the layer table of a Matterport model built for training; ResNet letters follow He et al. (2015), table 1.
"""

import re
from collections.abc import Iterator

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

RPN_MODEL = "rpn_model"
RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
FPN_LAYERS = ("fpn_c5p5", "fpn_c4p4", "fpn_c3p3", "fpn_c2p2", "fpn_p5", "fpn_p2", "fpn_p3", "fpn_p4")
HEAD_LAYERS = (
    "mrcnn_mask_conv1",
    "mrcnn_mask_bn1",
    "mrcnn_mask_conv2",
    "mrcnn_mask_bn2",
    "mrcnn_class_conv1",
    "mrcnn_class_bn1",
    "mrcnn_mask_conv3",
    "mrcnn_mask_bn3",
    "mrcnn_class_conv2",
    "mrcnn_class_bn2",
    "mrcnn_mask_conv4",
    "mrcnn_mask_bn4",
    "mrcnn_bbox_fc",
    "mrcnn_mask_deconv",
    "mrcnn_class_logits",
    "mrcnn_mask",
)
TRANSFER_EXCLUDE = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")  # mrcnn_bbox has no weights

CONV_WEIGHTS = ("kernel", "bias")
NORM_WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")

_BACKBONE = re.compile(r"(bn_)?conv1|(res|bn)[2-5][a-z]\d*_branch(1|2[abc])")
_OTHERS = frozenset((*RPN_LAYERS, *FPN_LAYERS, *HEAD_LAYERS))


def is_backbone(name: str) -> bool:
    """Checks whether a layer, or a weight written as `layer/weight`, belongs to the ResNet."""
    return _BACKBONE.fullmatch(name.partition("/")[0]) is not None


def is_known(name: str) -> bool:
    """Checks whether a layer of this name has its own weights in a Matterport model.

    `rpn_model` has none of its own: it contains the three RPN layers.
    """
    return name in _OTHERS or is_backbone(name)


def is_deep(name: str) -> bool:
    """Checks whether a layer, or `layer/weight`, exists in ResNet-101 but not in ResNet-50."""
    return name.partition("/")[0] in _DEEP


def group_of(layer: str) -> str:
    """Returns the name of the HDF5 group that contains a layer's weights."""
    return RPN_MODEL if layer in RPN_LAYERS else layer


def depth_number(backbone: int | str) -> int:
    """Parses a backbone's depth from a number or a name such as `resnet50`.

    Raises:
        ValueError: the depth is neither 50 nor 101.
    """
    text = str(backbone).removeprefix("resnet")
    if not text.isdecimal() or int(text) not in BLOCKS:
        raise ValueError(f"the backbone must be resnet50 or resnet101, got {backbone!r}")
    return int(text)


def blocks(depth: int) -> Iterator[tuple[int, int, str]]:
    """Yields stage, number in the stage and name of every residual block.

    The number counts from 1; a name is stage and letter, such as `4f`.
    """
    for stage, count in enumerate(BLOCKS[depth], start=2):
        for number in range(1, count + 1):
            yield stage, number, f"{stage}{chr(ord('a') + number - 1)}"


def backbone_layers(depth: int) -> list[str]:
    """Lists the ResNet's layers in file order.

    The convolution of a block's shortcut comes directly after the block's last convolution, before their batch norms.
    """
    names = ["conv1", "bn_conv1"]
    for _, number, block in blocks(depth):
        for branch in ("2a", "2b"):
            names += [f"res{block}_branch{branch}", f"bn{block}_branch{branch}"]
        ends = ("2c", "1") if number == 1 else ("2c",)
        names += [f"{kind}{block}_branch{branch}" for kind in ("res", "bn") for branch in ends]
    return names


def layer_names(depth: int) -> list[str]:
    """Lists the layers with weights in the order of a Matterport model built for training."""
    return [*backbone_layers(depth), *FPN_LAYERS, RPN_MODEL, *HEAD_LAYERS]


_DEEP = frozenset(backbone_layers(101)) - frozenset(backbone_layers(50))
