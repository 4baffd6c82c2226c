"""The L2 term. Source: Matterport's form: per tensor divided by its size, biases included, batch norm left out."""

from collections.abc import Sequence

import keras
from keras import ops

from mrcnn.structures import Tensor


def l2_loss(variables: Sequence[keras.Variable], *, weight_decay: float) -> Tensor:
    """Sums `weight_decay * sum(w^2) / size(w)` over the variables that are no gamma and no beta; 0.0 for none."""
    decayed = [variable for variable in variables if variable.name not in ("gamma", "beta")]
    total = ops.zeros((), dtype="float32")
    for variable in decayed:
        total = total + ops.mean(ops.square(ops.convert_to_tensor(variable)))  # mean = sum / size
    return weight_decay * total
