"""The order and names under which the model's weights stand in Matterport's files.

Source: the layer order of a Matterport model built for training; `rpn_model` groups the three RPN convolutions.
"""

from collections.abc import Iterable, Iterator

import keras

from mrcnn.models.resnet import BLOCKS

Layout = list[tuple[str, list[tuple[str, keras.Variable]]]]

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


def named_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Gives the layers that own weights, by name."""
    return {layer.name: layer for layer in model._flatten_layers(include_self=False) if layer._trainable_variables}


def weight_layout(model: keras.Model, *, backbone: str) -> Layout:
    """Lists (layer, [(weight name, variable)]) in Matterport's order.

    Args:
        model: a built `MaskRCNN`.
        backbone: a key of `resnet.BLOCKS`.
    """
    layers = named_layers(model)
    head = [(name, _weights([layers[name]])) for name in (*_backbone_names(backbone), *FPN_LAYERS)]
    rpn = [("rpn_model", _weights(layers[name] for name in RPN_LAYERS))]
    return head + rpn + [(name, _weights([layers[name]])) for name in HEAD_LAYERS]


def _weights(layers: Iterable[keras.layers.Layer]) -> list[tuple[str, keras.Variable]]:
    return [(f"{layer.name}/{variable.name}:0", variable) for layer in layers for variable in layer.weights]


def _backbone_names(backbone: str) -> Iterator[str]:
    yield from ("conv1", "bn_conv1")
    for stage, count in enumerate(BLOCKS[backbone], start=2):
        for index in range(count):
            block = f"{stage}{chr(ord('a') + index)}"
            for branch in ("2a", "2b"):
                yield from (f"res{block}_branch{branch}", f"bn{block}_branch{branch}")
            ends = ("2c", "1") if index == 0 else ("2c",)
            yield from (f"res{block}_branch{branch}" for branch in ends)
            yield from (f"bn{block}_branch{branch}" for branch in ends)
