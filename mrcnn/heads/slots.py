"""Selects the slots that a head runs on, and spreads its outputs over all slots.

A head without fixed slots runs on the used ones alone. With fixed slots, which XLA needs, it runs on the same number in
every batch.
Shape letters: B images, S slots of an image, P regions that a head runs on.
"""

from keras import ops

from mrcnn.structures import Tensor


def find(used: Tensor, *, fixed: bool, most: int | None = None) -> tuple[Tensor, Tensor]:
    """Finds the slots that a head runs on.

    Args:
        used: `[B, S]` bool.
        fixed: whether to return the same number for every batch.
        most: with `fixed`, the first `most` slots of each image, at least one, used or not; None for all.

    Returns:
        Image and slot of each, two `[P]` int32, image by image.
    """
    if not fixed:
        image, slot = ops.nonzero(used)
        return ops.cast(image, "int32"), ops.cast(slot, "int32")
    most = used.shape[1] if most is None else max(most, 1)
    place = ops.arange(ops.shape(used)[0] * most, dtype="int32")
    return place // most, place % most


def with_first(valid: Tensor) -> Tensor:
    """Adds the first slot to `[B, S]` bool: a head's input must not be empty."""
    first = (ops.cumsum(ops.ones_like(valid[:, :1], dtype="int32"), axis=0) == 1) & (ops.arange(valid.shape[1]) == 0)
    return valid | first


def at_least_one(valid: Tensor) -> Tensor:
    """Adds the batch's first slot to `[B, S]` bool where no slot is used: a head's input must not be empty."""
    return valid | (with_first(ops.zeros_like(valid)) & ~ops.any(valid))


def spread(values: Tensor, used: Tensor, *, valid: Tensor) -> Tensor:
    """Puts the values of used slots back into all slots.

    Args:
        values: `[P, ...]` float32, a row for each slot of `used`, in their order.
        used: `[B, S]` bool.
        valid: `[B, S]` bool, the slots that keep their value; all of them are used.

    Returns:
        `[B, S, ...]` float32; zeros in the other slots.
    """
    row = ops.cumsum(ops.cast(ops.reshape(used, (-1,)), "int32")) - 1  # of each slot among the used ones
    rest = values.shape[1:]
    all_slots = ops.reshape(ops.take(values, ops.maximum(row, 0), axis=0), (-1, valid.shape[1], *rest))
    return ops.where(ops.reshape(valid, (-1, valid.shape[1], *[1] * len(rest))), all_slots, 0.0)


def repeated(real: Tensor) -> Tensor:
    """Assigns to each row without an object one with an object, in turn.

    A batch norm that is trained then sees regions of objects alone, about equally often.

    Args:
        real: `[P]` bool, the row's region is that of an object.

    Returns:
        `[P]` int32: the row itself for a row of an object, and for all rows where there is no object.
    """
    rows = ops.arange(ops.shape(real)[0], dtype="int32")
    total = ops.maximum(ops.shape(real)[0], 1)
    order = ops.sort(ops.where(real, rows, rows + total)) % total  # rows of objects first
    count = ops.sum(ops.cast(real, "int32"))
    others = ops.take(order, rows % ops.maximum(count, 1), axis=0)
    return ops.where(real | (count == 0), rows, others)
