"""Applies a function to a few rows at a time, so that its intermediate values need little memory."""

from collections.abc import Callable

from keras import ops

from mrcnn.structures import Tensor


def in_chunks(function: Callable[..., Tensor], rows: tuple[Tensor, ...], *, size: int) -> Tensor:
    """Applies a function to chunks of the rows of tensors, one chunk after the other.

    Args:
        function: computes `[size, ...]` from one tensor `[size, ...]` for each of `rows`; each row of its result must
            depend on the same row of its arguments alone.
        rows: tensors of one length P, at least 1, which may be unknown while a graph is traced.
        size: rows of a chunk. The last chunk is filled up with copies of the last row.

    Returns:
        `[P, ...]`, the result of `function` for each row.
    """
    count = ops.shape(rows[0])[0]
    parts = (count + size - 1) // size
    if isinstance(parts, int) and parts == 1 and count == size:
        return function(*rows)
    index = ops.minimum(ops.arange(parts * size, dtype="int32"), count - 1)
    chunks = tuple(ops.reshape(ops.take(tensor, index, axis=0), (-1, size, *tensor.shape[1:])) for tensor in rows)
    found = ops.map(lambda chunk: function(*chunk), chunks)  # [parts, size, ...]
    return ops.reshape(found, (-1, *found.shape[2:]))[:count]
