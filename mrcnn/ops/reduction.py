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


def smooth_l1(difference: Tensor, *, beta: float = 1.0) -> Tensor:
    """Computes the smooth L1 loss of each difference.

    Args:
        difference: any shape, float32.
        beta: the size from which the loss grows linearly; 0 for L1.

    Returns:
        `0.5 d^2 / beta` where `|d|` is below `beta`, else `|d| - 0.5 beta`; shape of `difference`.

    Source: Fast R-CNN (2015), equation 3, where `beta` is 1.
    """
    size = ops.abs(difference)
    if beta == 0:
        return size
    return ops.where(size < beta, 0.5 / beta * ops.square(size), size - 0.5 * beta)


def box_loss(
    difference: Tensor,
    *,
    objects: Tensor,
    sampled: Tensor,
    average: str = "objects",
    beta: float | None = None,
    across: Across = identity,
) -> Tensor:
    """Averages the smooth L1 loss of the four deltas of boxes.

    Args:
        difference: `[B, N, 4]` float32, predicted less expected deltas.
        objects: `[B, N]` bool; only these boxes have a loss.
        sampled: `[B, N]` bool, the boxes that were drawn for training, `objects` among them.
        average: `objects`: the mean over the deltas of `objects`, as Matterport does; `samples`: their sum divided by
            the number of `sampled`, as torchvision does. With few objects in a batch the first gives each of them a
            much greater weight than the second.
        beta: the difference from which the loss is linear; 0 for L1 (detectron2); None: 1 for `objects`, 1/9 for
            `samples`, as in the two code bases.
        across: adds a count up over the devices.

    Returns:
        A float32 scalar, this device's share; 0 without `objects`.
    """
    weights = ops.broadcast_to(ops.cast(objects, "float32")[..., None], ops.shape(difference))
    if average == "objects":
        return weighted_mean(smooth_l1(difference, beta=1.0 if beta is None else beta), weights, across=across)
    count = ops.stop_gradient(across(ops.sum(ops.cast(sampled, "float32"))))
    return ops.sum(smooth_l1(difference, beta=1.0 / 9.0 if beta is None else beta) * weights) / ops.maximum(count, 1.0)
