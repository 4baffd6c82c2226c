"""L2 weight decay as a loss term.

Source: Matterport's form: each tensor's term is divided by its size, biases are included, batch norm is not.
"""

import math
from collections.abc import Callable, Sequence

import keras
from keras import ops

from mrcnn.ops.backend.current import native
from mrcnn.structures import Tensor


def l2_loss(variables: Sequence[keras.Variable], *, weight_decay: float) -> Tensor:
    """Computes the L2 loss of all variables except batch norm's gamma and beta.

    Args:
        variables: `gamma` and `beta` are recognised by name.
        weight_decay: factor of the term.

    Returns:
        A float32 scalar: the sum of `weight_decay * sum(w^2) / size(w)`; 0.0 without variables.
    """
    decayed = [variable for variable in variables if variable.name not in ("gamma", "beta")]
    total = ops.zeros((), dtype="float32")
    for variable in decayed:
        total = total + _mean_square(ops.convert_to_tensor(variable))  # mean = sum / size
    return weight_decay * total


@native.custom_gradient
def _mean_square(values: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """Computes `mean(values^2)`, whose gradient is as large as the values and so is computed late."""
    factor = 2.0 / max(math.prod(values.shape), 1)

    def gradient(upstream: Tensor) -> Tensor:
        return native.computed_last(upstream * factor * values)

    return ops.mean(ops.square(values)), gradient
