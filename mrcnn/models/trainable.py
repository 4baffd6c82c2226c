"""Selects the layers to train by Matterport's patterns of layer names."""

import re

import keras

from mrcnn.models.layout import named_layers

HEADS = r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)"
PATTERNS = {
    "heads": HEADS,
    "5+": r"(res5.*)|(bn5.*)|" + HEADS,
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + HEADS,
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)|" + HEADS,
    "all": ".*",
}


def select_trainable(model: keras.Model, selection: str) -> list[str]:
    """Makes the selected layers trainable and freezes the others.

    Args:
        model: a built `MaskRCNN`; must be compiled after this call.
        selection: a key of `PATTERNS`.

    Returns:
        The names of the layers that train.

    Raises:
        ValueError: the selection is unknown.
    """
    if selection not in PATTERNS:
        raise ValueError(f"`train_layers` must be one of {', '.join(PATTERNS)}, got {selection!r}")
    pattern = re.compile(PATTERNS[selection])
    chosen = []
    for name, layer in named_layers(model).items():
        layer.trainable = bool(pattern.fullmatch(name))
        if layer.trainable:
            chosen.append(name)
    return chosen
