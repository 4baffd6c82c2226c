"""Feature maps for several consumers, whose gradients are added in a fixed order.

A sum of floats depends on its order, so with an order that depends on the threads two runs of one seed would differ.
"""

from collections.abc import Sequence

from mrcnn.ops.backend.current import native
from mrcnn.structures import Tensor


def fan_out(maps: Sequence[Tensor], consumers: int) -> tuple[tuple[Tensor, ...], ...]:
    """Copies the feature maps for each consumer, without copying memory.

    Args:
        maps: float tensors of any shapes.
        consumers: number of the operations or layers that read them.

    Returns:
        The maps of each consumer. The gradient of a map is the sum of the consumers' gradients, first to last.
    """
    if consumers == 1 or not maps:
        return (tuple(maps),) * consumers
    return tuple(zip(*(native.copies(one, consumers) for one in maps), strict=True))
