"""Selects the layers to train by the family's patterns for `train_layers`."""

import re

from mrcnn.errors import UserError
from mrcnn.models.layout import named_layers
from mrcnn.models.mask_rcnn import MaskRCNN


def select_trainable(model: MaskRCNN, selection: str) -> list[str]:
    """Makes the selected layers trainable and freezes the others.

    Args:
        model: a built model; must be compiled after this call.
        selection: a key of its `layer_patterns`.

    Returns:
        The names of the layers that train.

    Raises:
        UserError: the model's family does not know the selection.
    """
    patterns = model.layer_patterns
    if selection not in patterns:
        raise UserError(f"`train_layers` must be one of {', '.join(patterns)}, got {selection!r}")
    pattern = re.compile(patterns[selection])
    chosen = []
    for name, layer in named_layers(model).items():
        layer.trainable = bool(pattern.fullmatch(name))
        if layer.trainable_weights:  # a batch norm in which nothing trains has none
            chosen.append(name)
    return chosen
