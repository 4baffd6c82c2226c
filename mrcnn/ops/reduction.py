"""Loss terms and their average: a replica's sum divided by the global batch's count.

A replica sees a part of the batch. If each replica divided by its own count, two devices would not equal one. So
`across` adds the counts up over the devices, and the replicas' values then add up to the single device's value.
"""

from collections.abc import Callable

from keras import ops

from mrcnn.structures import Tensor

Across = Callable[[Tensor], Tensor]


def identity(count: Tensor) -> Tensor:
    """Leaves the count unchanged: on a single device it is the global one."""
    return count


def weighted_mean(values: Tensor, weights: Tensor, *, across: Across = identity) -> Tensor:
    """Averages the values whose weight is 1 over the global batch.

    Args:
        values: any shape, float32.
        weights: the same shape, 0 or 1.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar, this device's share of the mean; 0 when no weight is 1.
    """
    count = ops.stop_gradient(across(ops.sum(weights)))
    return ops.sum(values * weights) / ops.maximum(count, 1.0)


def smooth_l1(difference: Tensor) -> Tensor:
    """Computes the smooth L1 loss of each difference.

    Returns:
        `0.5 d^2` where `|d|` is below 1, else `|d| - 0.5`; shape of `difference`.

    Source: Fast R-CNN (2015), equation 3.
    """
    size = ops.abs(difference)
    return ops.where(size < 1.0, 0.5 * ops.square(size), size - 0.5)


def cross_entropy(logits: Tensor, class_ids: Tensor) -> Tensor:
    """Computes the softmax cross-entropy of each class number.

    Args:
        logits: `[..., C]` float.
        class_ids: `[...]` int, 0..C-1.

    Returns:
        `[...]` float32, `-log softmax(logits)[class_ids]` over the last axis.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    return -ops.take_along_axis(log_probabilities, class_ids[..., None], axis=-1)[..., 0]
