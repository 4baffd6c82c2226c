"""Private names of Keras that this project uses; no other file uses one.

Keras 3 has no public way to list the layers inside other layers (`model.layers` stops at the first), to skip the
inference of a model's shapes, to ask whether an optimizer excludes a variable from weight decay, or to keep an
optimizer from adding gradients up over the devices. A Keras release may rename what is used here; the tests of this
file then fail.
"""

from typing import Any

import keras


def layers_with_weights(model: keras.Model) -> list[keras.layers.Layer]:
    """Lists the layers, at any depth, that own weights themselves; frozen layers count too."""
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if layer._trainable_variables or layer._non_trainable_variables]


def skip_symbolic_build(model: keras.Model) -> None:
    """Makes Keras's `fit` on TensorFlow use a built model as it is.

    Keras would build it again from a first batch.
    """
    model._maybe_symbolic_build = _build_nothing


def is_decayed(optimizer: keras.optimizers.Optimizer, variable: Any) -> bool:
    """Checks that `exclude_from_weight_decay` did not exclude a variable.

    Args:
        optimizer: a Keras optimizer.
        variable: one that it updates, in any of Keras's and TensorFlow's forms.
    """
    return bool(optimizer._use_weight_decay(variable))


def take_summed_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer use gradients as they are; Keras would add them up over the devices."""
    optimizer._all_reduce_sum_gradients = _unchanged


def _unchanged(gradients_and_variables: Any) -> Any:
    """Returns the gradients as they are."""
    return gradients_and_variables


def _build_nothing(**_: Any) -> None:
    """Replaces Keras's shape inference and does nothing."""
