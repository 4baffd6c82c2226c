"""Private names of Keras that this project uses; no other file uses one.

Keras 3 has no public way to list the layers inside other layers (`model.layers` stops at the first), nor to skip the
inference of a model's shapes. A Keras release may rename what is used here; the tests of this file then fail.
"""

from typing import Any

import keras


def layers_with_weights(model: keras.Model) -> list[keras.layers.Layer]:
    """Lists the layers, at any depth, that own weights themselves; frozen layers count too."""
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if layer._trainable_variables or layer._non_trainable_variables]


def skip_symbolic_build(model: keras.Model) -> None:
    """Makes Keras's `fit` use a built model as it is.

    Keras would build it again from a first batch.
    """
    model._maybe_symbolic_build = _build_nothing


def _build_nothing(**_: Any) -> None:
    """Replaces Keras's shape inference and does nothing."""
