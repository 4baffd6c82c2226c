"""Names, order and shapes of the weights in Matterport's files.

Source: the layer table of a Matterport model built for training; ResNet letters follow He et al. (2015), table 1.
"""

import re
from collections.abc import Iterator, Sequence

Shape = tuple[int, ...]
Table = list[tuple[str, list[tuple[str, Shape]]]]

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)  # inner channels of stages 2..5; a block's output has four times as many

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


def expected_table(
    depth: int,
    num_classes: int,
    *,
    channels: int = 3,
    anchors_per_location: int = 3,
    fpn_channels: int = 256,
    rpn_channels: int = 512,
    box_fc_channels: int = 1024,
    box_pool_size: int = 7,
) -> Table:
    """Lists every weight of a model as (layer, [(weight name, shape)]), in file order.

    Args:
        depth: 50 or 101.
        num_classes: number of classes with background.
        channels: channel count of the input image.
        anchors_per_location: number of aspect ratios.
        fpn_channels: channel count of every pyramid level.
        rpn_channels: channel count of the RPN's shared convolution.
        box_fc_channels: channel count of the box head's fully connected layers.
        box_pool_size: side of the box head's input in cells.
    """
    kernels = dict(_backbone_kernels(depth, channels))
    kernels |= _pyramid_kernels(fpn_channels, rpn_channels, anchors_per_location)
    kernels |= _head_kernels(num_classes, fpn_channels, box_fc_channels, box_pool_size)
    table: Table = [(name, _weights(name, kernels)) for name in (*backbone_layers(depth), *FPN_LAYERS)]
    table.append((RPN_MODEL, [weight for name in RPN_LAYERS for weight in _weights(name, kernels)]))
    return table + [(name, _weights(name, kernels)) for name in HEAD_LAYERS]


def _backbone_kernels(depth: int, channels: int) -> Iterator[tuple[str, Shape]]:
    yield "conv1", (7, 7, channels, 64)
    inputs = 64
    for stage, number, block in blocks(depth):
        width = WIDTHS[stage - 2]
        yield f"res{block}_branch2a", (1, 1, inputs, width)
        yield f"res{block}_branch2b", (3, 3, width, width)
        yield f"res{block}_branch2c", (1, 1, width, 4 * width)
        if number == 1:
            yield f"res{block}_branch1", (1, 1, inputs, 4 * width)
        inputs = 4 * width


def _pyramid_kernels(fpn: int, rpn: int, anchors: int) -> dict[str, Shape]:
    laterals = {f"fpn_c{level}p{level}": (1, 1, 4 * WIDTHS[level - 2], fpn) for level in (5, 4, 3, 2)}
    outputs = {f"fpn_p{level}": (3, 3, fpn, fpn) for level in (5, 4, 3, 2)}
    return {
        **laterals,
        **outputs,
        "rpn_conv_shared": (3, 3, fpn, rpn),
        "rpn_class_raw": (1, 1, rpn, 2 * anchors),
        "rpn_bbox_pred": (1, 1, rpn, 4 * anchors),
    }


def _head_kernels(num_classes: int, fpn: int, box_fc: int, pool: int) -> dict[str, Shape]:
    mask_convs = {f"mrcnn_mask_conv{number}": (3, 3, fpn if number == 1 else 256, 256) for number in (1, 2, 3, 4)}
    return {
        **mask_convs,
        "mrcnn_mask_deconv": (2, 2, 256, 256),
        "mrcnn_mask": (1, 1, 256, num_classes),
        "mrcnn_class_conv1": (pool, pool, fpn, box_fc),
        "mrcnn_class_conv2": (1, 1, box_fc, box_fc),
        "mrcnn_class_logits": (box_fc, num_classes),
        "mrcnn_bbox_fc": (box_fc, 4 * num_classes),
    }


def _weights(layer: str, kernels: dict[str, Shape]) -> list[tuple[str, Shape]]:
    if layer in kernels:
        shapes: Sequence[Shape] = (kernels[layer], kernels[layer][-1:])
        return [(f"{layer}/{kind}:0", shape) for kind, shape in zip(CONV_WEIGHTS, shapes, strict=True)]
    conv = layer.replace("_bn", "_conv") if layer.startswith("mrcnn") else _conv_of(layer)
    return [(f"{layer}/{kind}:0", kernels[conv][-1:]) for kind in NORM_WEIGHTS]


def _conv_of(norm: str) -> str:
    return "conv1" if norm == "bn_conv1" else "res" + norm.removeprefix("bn")


_DEEP = frozenset(backbone_layers(101)) - frozenset(backbone_layers(50))
