"""Order and names of the model's weights in Matterport's files; the names are from `weights.names`."""

from collections.abc import Iterable

import keras

from mrcnn.models import keras_internals
from mrcnn.weights import names

Layout = list[tuple[str, list[tuple[str, keras.Variable]]]]


def named_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Lists the layers that own weights, by name."""
    return {layer.name: layer for layer in keras_internals.layers_with_weights(model)}


def weight_layout(model: keras.Model, *, backbone: str) -> Layout:
    """Lists a model's variables by layer and weight name, in Matterport's order.

    Layers that Matterport's model lacks come last, and those that this model lacks are left out.

    Args:
        model: a built `MaskRCNN`.
        backbone: "resnet50" or "resnet101".

    Returns:
        (layer, [(weight name, variable), ...]) for each layer; `rpn_model` groups the RPN's three layers.
    """
    layers = named_layers(model)
    parts = {names.RPN_MODEL: names.RPN_LAYERS}
    listed: dict[str, tuple[str, ...]] = {}
    for name in names.layer_names(names.depth_number(backbone)):
        own = tuple(part for part in parts.get(name, (name,)) if part in layers)
        listed |= {name: own} if own else {}
    known = {part for several in listed.values() for part in several}
    listed |= {name: (name,) for name in layers if name not in known}
    return [(name, _weights(layers[part] for part in several)) for name, several in listed.items()]


def _weights(layers: Iterable[keras.layers.Layer]) -> list[tuple[str, keras.Variable]]:
    return [(f"{layer.name}/{variable.name}:0", variable) for layer in layers for variable in layer.weights]
