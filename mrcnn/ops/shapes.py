"""Sizes that may be unknown while a graph is traced."""

from keras import ops

from mrcnn.structures import Count


def at_most(limit: int, count: Count) -> Count:
    """Computes the minimum of a limit and a count.

    It is a Python int if the count is one, else an int32 scalar.
    """
    return min(limit, count) if isinstance(count, int) else ops.minimum(limit, count)
