"""Feature maps for several consumers, whose gradients are added in a fixed order.

TensorFlow adds the gradients of a tensor that three or more operations read with one `AddN`, which begins with a
gradient whose memory it may overwrite. Which one that is depends on what other threads have finished, and a sum of
floats on its order, so two runs of one seed would differ.
"""

from collections.abc import Sequence

import tensorflow as tf

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
    return tuple(zip(*(_copies(one, consumers) for one in maps), strict=True))


def _copies(tensor: Tensor, count: int) -> tuple[Tensor, ...]:
    @tf.custom_gradient
    def copy(value: Tensor) -> tuple[tuple[Tensor, ...], object]:
        def gradient(*parts: Tensor) -> Tensor:
            total = parts[0]
            for part in parts[1:]:
                # a sum behind `ensure_shape` is not merged with the next one into a sum of any order
                total = tf.ensure_shape(total + part, value.shape)
            return total

        return tuple(tf.identity(value) for _ in range(count)), gradient

    return copy(tensor)
