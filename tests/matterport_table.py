"""Shapes of the weights in Matterport's files, computed from the sizes of a network.

Source: the layer table of a Matterport model built for training.
"""

from collections.abc import Iterator, Sequence

from mrcnn.weights import names

Shape = tuple[int, ...]

WIDTHS = (64, 128, 256, 512)  # inner channels of stages 2..5; a block's output has four times as many


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
):
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
    table = [(name, _weights(name, kernels)) for name in (*names.backbone_layers(depth), *names.FPN_LAYERS)]
    table.append((names.RPN_MODEL, [weight for name in names.RPN_LAYERS for weight in _weights(name, kernels)]))
    return table + [(name, _weights(name, kernels)) for name in names.HEAD_LAYERS]


def _backbone_kernels(depth: int, channels: int) -> Iterator[tuple[str, Shape]]:
    yield "conv1", (7, 7, channels, 64)
    inputs = 64
    for stage, number, block in names.blocks(depth):
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
        return [(f"{layer}/{kind}:0", shape) for kind, shape in zip(names.CONV_WEIGHTS, shapes, strict=True)]
    conv = layer.replace("_bn", "_conv") if layer.startswith("mrcnn") else _conv_of(layer)
    return [(f"{layer}/{kind}:0", kernels[conv][-1:]) for kind in names.NORM_WEIGHTS]


def _conv_of(norm: str) -> str:
    return "conv1" if norm == "bn_conv1" else "res" + norm.removeprefix("bn")
