"""The one rule for averaging: a sum divided by a count taken over the whole global batch.

A replica sees a part of the batch. If each divided by its own count, two devices would not equal one; so the count, not
the sum, crosses the devices: `across` adds it up, and the replicas' values then add up to the single device's value.
"""

from collections.abc import Callable

from keras import ops

from mrcnn.structures import Tensor

Across = Callable[[Tensor], Tensor]


def identity(count: Tensor) -> Tensor:
    """Returns the count of the only device."""
    return count


def weighted_mean(values: Tensor, weights: Tensor, *, across: Across = identity) -> Tensor:
    """Averages `values` where `weights` is 1; 0 when it is 1 nowhere.

    Args:
        values: any shape, float32.
        weights: the same shape, 0 or 1.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar.
    """
    count = ops.stop_gradient(across(ops.sum(weights)))
    return ops.sum(values * weights) / ops.maximum(count, 1.0)


def smooth_l1(difference: Tensor) -> Tensor:
    """Gives `0.5 d^2` below 1 and `|d| - 0.5` above, element by element; Fast R-CNN (2015), equation 3."""
    size = ops.abs(difference)
    return ops.where(size < 1.0, 0.5 * ops.square(size), size - 0.5)


def cross_entropy(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Gives `-log softmax(logits)[class_ids]` over the last axis; shape of `class_ids`."""
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return -ops.take_along_axis(log_probabilities, class_ids[..., None], axis=-1)[..., 0]
