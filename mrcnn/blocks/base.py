"""Base class of all layers: variables and boxes stay float32 under every precision policy."""

from typing import Any

import keras

Shape = tuple[Any, ...]  # of a tensor: integers, or None for an axis of unknown size


class Float32Layer(keras.layers.Layer):
    """Keras layer with float32 variables and without automatic casting of its inputs.

    A layer that computes in another type casts its inputs and variables itself.
    """

    def __init__(self, **kwargs: Any) -> None:
        """Sets the dtype to float32, unless another is given, and turns casting off.

        Args:
            **kwargs: of the Keras layer.
        """
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
